"""Metrics of a task file over its complete set of items: weighted means, macro F1, Spearman and perplexity. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seodang.evaluation.aggregate import TASK_FILE_SPLIT, ItemScore, get_score, list_variants
from seodang.evaluation.corpus_metrics import compute_macro_f1, compute_spearman


def compute_task_metrics(scores: Sequence[ItemScore]) -> list[dict[str, Any]]:
    """Return a row per task file, language and metric with the value of each variant; None where a variant has none.

    Some means weigh items by size: bits_per_byte by bytes, loss by tokens, IFEval's instruction metrics by
    instructions. That equals lm-evaluation-harness' bits_per_byte and inst_level_*_acc. `perplexity` is exp of such a
    loss.
    """
    task_scores = [score for score in scores if score.split == TASK_FILE_SPLIT]
    variants = list_variants(task_scores)
    rows = []
    for task, language in sorted({(score.task, score.language) for score in task_scores}):
        rows += _build_rows(
            task,
            language,
            variants,
            [score for score in task_scores if (score.task, score.language) == (task, language)],
        )
    return rows


def _build_rows(task: str, language: str, variants: Sequence[str], scores: Sequence[ItemScore]) -> list[dict[str, Any]]:
    metrics = {
        variant: _compute_metrics([score for score in scores if score.variant == variant]) for variant in variants
    }
    rows = []
    for metric in dict.fromkeys(name for values in metrics.values() for name in values):
        by_variant = {variant: metrics[variant].get(metric, _NO_VALUE) for variant in variants}
        rows.append(
            {
                "task": task,
                "language": language,
                "metric": metric,
                "items": max(value.items for value in by_variant.values()),
                "variants": {
                    variant: None if value.value is None else round(value.value, 4)
                    for variant, value in by_variant.items()
                },
            }
        )
    return rows


@dataclass(frozen=True, slots=True)
class _MetricValue:
    """One variant's value of one metric."""

    value: float | None
    items: int  # that have the metric


_NO_VALUE = _MetricValue(None, 0)


def _compute_metrics(scores: Sequence[ItemScore]) -> dict[str, _MetricValue]:
    """Return the metrics of one variant on one task."""
    first = scores[0]
    default_metrics = {
        "choice": ["accuracy"],
        "text": ["loss"],
        "open": ["eos_rate", *(["loss"] if first.reference else [])],
    }[first.kind]
    names = dict.fromkeys(
        (first.primary_metric, *(name for score in scores for name in score.extra_metrics), *default_metrics)
    )
    metrics = {name: _compute_weighted_mean(scores, name) for name in names}
    if first.kind == "text":
        loss = metrics["loss"]
        metrics["perplexity"] = _MetricValue(None if loss.value is None else math.exp(loss.value), loss.items)
    if labels := [score.labels for score in scores if score.labels is not None]:
        gold, predictions = zip(*labels, strict=True)
        metrics["macro_f1"] = _MetricValue(
            compute_macro_f1([str(index) for index in gold], [str(index) for index in predictions]), len(labels)
        )
    if grades := [score.grades for score in scores if score.grades is not None]:
        metrics["spearman"] = _MetricValue(compute_spearman(*map(list, zip(*grades, strict=True))), len(grades))
    return metrics


def _compute_weighted_mean(scores: Iterable[ItemScore], metric: str) -> _MetricValue:
    pairs = [
        (float(value), score.weights.get(metric, 1.0))
        for score in scores
        if (value := get_score(score, metric)) is not None
    ]
    total_weight = sum(weight for _, weight in pairs)
    return _MetricValue(
        sum(value * weight for value, weight in pairs) / total_weight if total_weight else None, len(pairs)
    )
