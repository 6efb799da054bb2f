"""What the evaluation report tells: values out of the verdict, the scores and the records, nothing of how it looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.config import GateParams
from seodang.errors import ArtefactError
from seodang.evaluation.aggregate import TUNED_VARIANT, ItemScore
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
from seodang.reports.evaluation.regressions import Changes, find_changes

CHAMPION: Final = "champion"
_PLOT_RESAMPLES: Final = 2000  # of the intervals in the curves, which nothing rests on
_FINGERPRINT_SUFFIXES: Final = ("_sha256", "_fingerprint")  # how their names end in a verdict


@dataclass(frozen=True, slots=True)
class Point:
    """A way of asking a model, with its mean."""

    variant: str
    format: str
    shots: int
    mean: Estimate


@dataclass(frozen=True, slots=True)
class ShotsPanel:
    """One measure over the number of exemplars."""

    metric: str
    language: str  # "" for all
    base: tuple[Point, ...]
    levels: tuple[Point, ...]  # candidate and champion, which are asked in one way only


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReportData:
    """All that the page shows."""

    verdict: str
    reasons: Sequence[Mapping[str, Any]]
    results: Sequence[Mapping[str, Any]]
    confidence: float
    candidate: str
    best: str
    """The base's best arm of all."""
    references: tuple[str, ...]
    """The best arm and, where there is one, the champion."""
    columns: tuple[str, ...]
    """The arms in the order of a task's scores: the references, the candidate, the others."""
    items: int
    variants: Sequence[Mapping[str, Any]]
    formats: Mapping[str, Mapping[str, Any]]
    panels: Sequence[ShotsPanel]
    tasks: Sequence[TaskRow]
    confusion_matrices: Sequence[ConfusionMatrix]
    task_metrics: Sequence[Mapping[str, Any]]
    """Of whole sets of items of task files."""
    changes: Changes
    fingerprints: Mapping[str, str]
    settings: Mapping[str, Any]
    """Parameters of the evaluation, where the report holds them."""
    gate: Mapping[str, Any]


def build_report_data(
    verdict: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]],
    records: Iterable[Record],
    gate: GateParams,
) -> EvaluationReportData:
    """Return the facts of a decision.

    Args:
        verdict: What stage `gate` found: verdict, reasons, tests.
        evaluated: report.json of stage `evaluate`.
        rows: Its per-item scores.
        records: Of the items.
        gate: Seed, resamples and confidence of the intervals; its rules are listed.

    Raises:
        ArtefactError: If a key or a record is missing; the message names it.
    """
    try:
        scores = [ItemScore(**row) for row in rows]
        variants = [row["name"] for row in evaluation["variants"]]
        best = find_best_variant(evaluation)
        references = (best, *([CHAMPION] if CHAMPION in variants else []))
        main_variants = (*references, TUNED_VARIANT)
        best_of_task = find_best_by_task(scores, [arm for arm in variants if arm not in (TUNED_VARIANT, CHAMPION)])
        columns = (*main_variants, *(arm for arm in variants if arm not in main_variants))
        return EvaluationReportData(
            **{name: verdict[name] for name in ("verdict", "reasons", "tests", "confidence")},
            candidate=TUNED_VARIANT,
            best=best,
            references=references,
            columns=columns,
            items=len({(score.split, score.task, score.language, score.item) for score in scores}),
            variants=evaluation["variants"],
            formats=evaluation["formats"],
            panels=_build_panels(
                scores,
                evaluation["formats"],
                gate.model_copy(update={"resamples": min(gate.resamples, _PLOT_RESAMPLES)}),
            ),
            tasks=build_task_rows(scores, columns, TUNED_VARIANT, best_of_task, gate),
            confusion_matrices=build_confusion_matrices(scores, main_variants),
            changes=find_changes(
                scores,
                {(record.task, record.language, record.id): record for record in records},
                TUNED_VARIANT,
                best_of_task,
                references[1:],
            ),
            task_metrics=evaluation["task_metrics"],
            fingerprints={
                name: value for name, value in verdict.items() if name.endswith(_FINGERPRINT_SUFFIXES) and value
            },
            settings=evaluation.get("settings", {}),
            gate=gate.model_dump(),
        )
    except (KeyError, TypeError) as error:
        raise ArtefactError(
            f"the reports of evaluate and gate have no usable {error}; run: dvc repro evaluate gate"
        ) from error


def find_best_variant(evaluation: Mapping[str, Any]) -> str:
    """Return the best of the base's best arms; accuracy, then chrF, then loss decide."""
    rows = {row["name"]: row for row in evaluation["variants"]}
    best: list[str] = list(evaluation["best"].values())
    return max(
        best, key=lambda arm: (rows[arm]["accuracy"] or 0.0, rows[arm]["chrf"] or 0.0, -(rows[arm]["loss"] or 0.0))
    )


def _build_panels(
    scores: Sequence[ItemScore], formats: Mapping[str, Mapping[str, Any]], gate: GateParams
) -> list[ShotsPanel]:
    """Return accuracy over all items and for each language, where there are several, and the loss; what was not measured is left out."""
    test = [score for score in scores if score.split == "test"]
    languages = sorted({score.language for score in test})
    selections = [
        ("accuracy", ""),
        ("loss", ""),
        *(("accuracy", language) for language in languages if len(languages) > 1),
    ]
    panels = []
    for metric, language in selections:
        points = [
            point
            for arm, way in formats.items()
            if (
                point := _build_point(
                    arm, way, metric, [score for score in test if language in ("", score.language)], gate
                )
            )
        ]
        base = tuple(point for point in points if point.variant not in (TUNED_VARIANT, CHAMPION))
        if base:
            panels.append(
                ShotsPanel(
                    metric,
                    language,
                    base,
                    tuple(point for point in points if point.variant in (TUNED_VARIANT, CHAMPION)),
                )
            )
    return panels


def _build_point(
    variant: str, prompting: Mapping[str, Any], metric: str, scores: Sequence[ItemScore], gate: GateParams
) -> Point | None:
    values = [
        float(value) for score in scores if score.variant == variant and (value := getattr(score, metric)) is not None
    ]
    mean = compute_estimate(values, gate)
    return None if mean is None else Point(variant, prompting["format"], prompting["shots"], mean)
