"""Data of the evaluation report, from the verdict, the scores and the records. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.config import GateParams
from seodang.errors import ArtifactError
from seodang.evaluation.aggregate import (
    ALIGNED_VARIANT,
    CHAMPION_VARIANT,
    TUNED_VARIANT,
    ItemScore,
    get_group_name,
    is_base_variant,
    select_best_row,
)
from seodang.evaluation.judge.judge_report import JudgeReport
from seodang.i18n import _
from seodang.metric_registry import ITEM_METRICS
from seodang.records import Record
from seodang.reports.evaluation.comparison import (
    ConfusionMatrix,
    Estimate,
    TaskRow,
    build_confusion_matrices,
    build_task_rows,
    compute_estimate,
    find_best_by_task,
)
from seodang.reports.evaluation.regressions import Changes, ItemKey, find_changes
from seodang.reports.evaluation.request_limits import TaskLimits, build_task_limits

_PLOT_RESAMPLES: Final = 2000  # of the intervals in the curves, which do not affect the verdict
_FINGERPRINT_SUFFIXES: Final = ("_sha256", "_fingerprint")  # of the keys of a verdict


@dataclass(frozen=True, slots=True)
class Point:
    """The mean of one variant."""

    variant: str
    format: str
    shots: int
    mean: Estimate


@dataclass(frozen=True, slots=True)
class ShotsPanel:
    """One metric over the number of few-shot examples."""

    metric: str
    language: str  # empty for all languages
    base: tuple[Point, ...]
    levels: tuple[Point, ...]  # candidate and champion, which have one prompt each


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReportData:
    """The content of the page."""

    verdict: str
    reasons: Sequence[Mapping[str, Any]]
    results: Sequence[Mapping[str, Any]]
    confidence: float
    candidate: str
    best: str
    """The base's best variant."""
    references: tuple[str, ...]
    """The base's best variant and, where there is one, the champion."""
    columns: tuple[str, ...]
    """Variants in the order of a task's scores: the references, the candidate, the others."""
    items: int
    variants: Sequence[Mapping[str, Any]]
    formats: Mapping[str, Mapping[str, Any]]
    panels: Sequence[ShotsPanel]
    tasks: Sequence[TaskRow]
    confusion_matrices: Sequence[ConfusionMatrix]
    task_metrics: Sequence[Mapping[str, Any]]
    """Metrics of task files over their complete sets of items."""
    protocols: Sequence[Mapping[str, Any]]
    """Source and protocol of each task file."""
    request_limits: Sequence[TaskLimits]
    """Few-shot examples that were shown, truncated items and ties."""
    baselines: Sequence[Mapping[str, Any]]
    """Accuracy of baselines, prompted base and tuned model on the same items."""
    baseline_gaps: Sequence[Mapping[str, str]]
    """Why tasks have no baseline, or one that says little."""
    forgetting: Sequence[Mapping[str, Any]]
    """Base and tuned model on skills that the base had, replayed ones and others."""
    warnings: Sequence[Mapping[str, str]]
    changes: Changes
    fingerprints: Mapping[str, str]
    settings: Mapping[str, Any]
    """Parameters of the evaluation, where the report has them."""
    gate: Mapping[str, Any]
    judge: JudgeReport | None
    """Of a judge model that compared answers of the candidate; the pipeline has none."""


def build_report_data(
    verdict: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]],
    records: Iterable[Record],
    gate: GateParams,
    judge: JudgeReport | None = None,
) -> EvaluationReportData:
    """Return the content of the page.

    Args:
        verdict: Report of stage `gate`: verdict, reasons, results.
        evaluation: report.json of stage `evaluate`.
        rows: Its per-item scores.
        records: Of the items.
        gate: Seed, resamples and confidence of the intervals; the page lists its values.
        judge: Report of a judge model; None for a page without one.

    Raises:
        ArtifactError: If a key or a record is missing; the message names it.
    """
    try:
        return _build_report_data(verdict, evaluation, [ItemScore(**row) for row in rows], records, gate, judge)
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            _("the reports of evaluate and gate have no usable {field}; run: dvc repro evaluate gate", field=error)
        ) from error


def _build_report_data(
    verdict: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    scores: Sequence[ItemScore],
    records: Iterable[Record],
    gate: GateParams,
    judge: JudgeReport | None,
) -> EvaluationReportData:
    variants = [row["name"] for row in evaluation["variants"]]
    best = find_best_variant(evaluation)
    references = (best, *([CHAMPION_VARIANT] if CHAMPION_VARIANT in variants else []))
    candidate = verdict.get("candidate", TUNED_VARIANT)
    main_variants = (*references, candidate)
    base_variants = [name for name in variants if is_base_variant(name)]
    best_of_task = find_best_by_task(scores, base_variants)
    columns = (*main_variants, *(name for name in variants if name not in main_variants))
    plot_gate = gate.model_copy(update={"resamples": min(gate.resamples, _PLOT_RESAMPLES)})
    records_by_key: dict[ItemKey, Record] = {(record.task, record.language, record.id): record for record in records}
    return EvaluationReportData(
        **{name: verdict[name] for name in ("verdict", "reasons", "results", "confidence")},
        candidate=candidate,
        best=best,
        references=references,
        columns=columns,
        items=len({(score.split, score.task, score.language, score.item) for score in scores}),
        variants=evaluation["variants"],
        formats=evaluation["formats"],
        panels=_build_panels(scores, evaluation["formats"], list_plot_metrics(verdict["results"]), plot_gate),
        tasks=build_task_rows(scores, columns, candidate, best_of_task, gate),
        confusion_matrices=build_confusion_matrices(scores, main_variants),
        changes=find_changes(
            scores,
            records_by_key,
            candidate,
            best_of_task,
            references[1:],
            [(result["metric"], result["tasks"]) for result in verdict["results"]],
        ),
        task_metrics=evaluation["task_metrics"],
        protocols=evaluation.get("protocols", []),
        request_limits=build_task_limits(scores, columns),
        baselines=evaluation.get("baselines", []),
        baseline_gaps=evaluation.get("baseline_gaps", []),
        forgetting=evaluation.get("forgetting", []),
        warnings=evaluation.get("warnings", []),
        fingerprints={name: value for name, value in verdict.items() if name.endswith(_FINGERPRINT_SUFFIXES) and value},
        settings=evaluation.get("settings", {}),
        gate=gate.model_dump(),
        judge=judge,
    )


def find_best_variant(evaluation: Mapping[str, Any]) -> str:
    """Return the best one of the base's best variants of each kind."""
    rows = {row["name"]: row for row in evaluation["variants"]}
    return select_best_row({name: rows[name] for name in evaluation["best"].values()})


def list_plot_metrics(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the metrics of the rules that single items have, the loss last; accuracy where no rule has one."""
    metrics = [metric for metric in dict.fromkeys(result["metric"] for result in results) if metric in ITEM_METRICS]
    return [*([metric for metric in metrics if metric != "loss"] or ["accuracy"]), "loss"]


def _build_panels(
    scores: Sequence[ItemScore], formats: Mapping[str, Mapping[str, Any]], metrics: Sequence[str], gate: GateParams
) -> list[ShotsPanel]:
    """Return the metrics over all items, and the first one per language where there are several.

    A panel without values is left out.
    """
    test = [score for score in scores if score.split == "test"]
    languages = sorted({score.language for score in test})
    selections = [(metric, "") for metric in metrics]
    selections += [(metrics[0], language) for language in languages if len(languages) > 1]
    panels = []
    for metric, language in selections:
        in_language = [score for score in test if language in ("", score.language)]
        points = [
            point
            for variant, prompt in formats.items()
            if (point := _build_point(variant, prompt, metric, in_language, gate))
        ]
        base = tuple(point for point in points if is_base_variant(point.variant))
        levels = tuple(point for point in points if point.variant in (TUNED_VARIANT, ALIGNED_VARIANT, CHAMPION_VARIANT))
        if base:
            panels.append(ShotsPanel(metric, language, base, levels))
    return panels


def _build_point(
    variant: str, prompt: Mapping[str, Any], metric: str, scores: Sequence[ItemScore], gate: GateParams
) -> Point | None:
    points = [
        (float(value), get_group_name(score))
        for score in scores
        if score.variant == variant and (value := getattr(score, metric)) is not None
    ]
    mean = compute_estimate([value for value, _ in points], [group for _, group in points], gate)
    format = f"{prompt['format']}, calibrated" if prompt.get("calibrated") else prompt["format"]
    return None if mean is None else Point(variant, format, prompt["shots"], mean)
