"""The content of a learning curve's report: points, lines, trends and the cost of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from seodang.config.curve import CurveParams
from seodang.evaluation.aggregate import LETTERS, MAJORITY, ItemScore
from seodang.evaluation.samples import TaskSamples
from seodang.study.curve.points import Models, build_points, build_trends, estimate
from seodang.study.curve.subsets import Subset
from seodang.study.curve.training import Trained, describe_shortages
from seodang.study.results import VariantScores, group_by_variant

BASE = "base"
BASE_METHODS = ("zero_shot", "few_shot")


def build_report(
    facts: Mapping[str, Any],
    curve: CurveParams,
    items: Mapping[str, Sequence[TaskSamples]],
    scores: Sequence[ItemScore],
    trained: Sequence[Trained],
    planned: int,
) -> dict[str, Any]:
    """Return the report of the models so far.

    Args:
        facts: Title, settings and data.
        curve: Settings of the study.
        items: Tasks by group.
        scores: Of the base's prompts, the baselines and the models.
        trained: Models so far.
        planned: Models of the complete study.
    """
    points, lines, trends = [], [], []
    for group, tasks in items.items():
        names = {task.task for task in tasks}
        by_variant = group_by_variant([score for score in scores if score.task in names])
        prompts = [name for name in by_variant if name.partition("/")[0] in BASE_METHODS]
        best = max(prompts, key=lambda name: float(by_variant[name].values.mean()))
        models = _collect_models(by_variant, [one.subset for one in trained], curve)
        points += [asdict(point) for point in build_points(group, models, by_variant[best], curve)]
        trends += [{**asdict(trend), "is_rising": trend.is_rising} for trend in build_trends(group, models, curve)]
        lines.append(_build_line(group, BASE, best, by_variant[best], curve))
        if MAJORITY in by_variant:
            lines.append(_build_line(group, MAJORITY, MAJORITY, by_variant[MAJORITY], curve))
    return {
        **facts,
        "groups": {group: sorted({task.task for task in tasks}) for group, tasks in items.items()},
        "planned_models": planned,
        "points": points,
        "lines": lines,
        "trends": trends,
        "models": [_summarize(one) for one in trained],
        "shortages": [message.to_json() for message in describe_shortages(curve, trained, facts["available"])],
    }


def _build_line(group: str, method: str, variant: str, scores: VariantScores, curve: CurveParams) -> dict[str, Any]:
    return {
        "group": group,
        "method": method,
        "variant": variant,
        "items": len(scores.values),
        "score": asdict(estimate(scores.values, scores, curve)),
    }


def _collect_models(
    by_variant: Mapping[str, VariantScores], subsets: Iterable[Subset], curve: CurveParams
) -> dict[tuple[str, int], Models]:
    """Return the models of each point in the order of the report: by method, then by number of records."""
    by_point: dict[tuple[str, int], list[Subset]] = {}
    for subset in subsets:
        if subset.name in by_variant:
            by_point.setdefault((subset.variant, subset.asked), []).append(subset)
    models = {
        (method, asked): Models(method, asked, len(group[0].task_records), [by_variant[one.name] for one in group])
        for (method, asked), group in by_point.items()
    }
    for (_method, asked), one in list(models.items()):
        if (name := f"{LETTERS}/{asked}") in by_variant:
            models[LETTERS, asked] = Models(LETTERS, asked, one.records, [by_variant[name]])
    order = (*curve.variants, LETTERS)
    return dict(sorted(models.items(), key=lambda item: (order.index(item[0][0]), item[0][1])))


def _summarize(trained: Trained) -> dict[str, Any]:
    """Return data and cost of a model."""
    subset, report = trained.subset, trained.report
    summary: dict[str, Any] = {
        "name": subset.name,
        "variant": subset.variant,
        "asked": subset.asked,
        "seed": subset.seed,
        "task_records": len(subset.task_records),
        "other_records": len(subset.other_records),
        "asked_others": subset.asked_others,
        "recipe": trained.recipe,
        "recipe_validation_losses": list(trained.validation_losses),
        "problem": trained.problem,
    }
    if report:
        # Each epoch reads all tokens; training that stopped early read fewer.
        epochs = trained.epochs * report["steps"] / report["max_steps"]
        summary |= {
            "trained_records": report["records"]["train"],
            "tokens": round(report["tokens"] * epochs),
            "label_tokens": round(report["label_tokens"] * epochs),
            **{name: report[name] for name in ("steps", "train_loss", "validation_loss", "elapsed_seconds")},
            **{name: report[name] for name in ("cpu_seconds", "peak_memory_mb", "device", "adapter_sha256")},
        }
    return summary


def average_cost(models: Iterable[Mapping[str, Any]], key: str) -> float | None:
    """Return the mean of a number over the models that have it."""
    values = [model[key] for model in models if key in model]
    return float(np.mean(values)) if values else None
