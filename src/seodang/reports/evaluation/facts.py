"""What the evaluation report tells: values out of the verdict, the scores and the records, nothing of how it looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.config import GateParams
from seodang.errors import ArtefactError
from seodang.evaluation.aggregate import TUNED, ItemScore
from seodang.records import Record
from seodang.reports.evaluation.comparison import (
    Confusion,
    Estimate,
    TaskRow,
    best_by_task,
    confusions,
    estimate,
    task_rows,
)
from seodang.reports.evaluation.regressions import Changes, changes_of

CHAMPION: Final = "champion"
_DRAWN_RESAMPLES: Final = 2000  # of the intervals in the curves, which nothing rests on
_FINGERPRINTS: Final = ("_sha256", "_fingerprint")  # how their names end in a verdict


@dataclass(frozen=True, slots=True)
class Point:
    """A way of asking a model, with its mean."""

    arm: str
    format: str
    shots: int
    mean: Estimate


@dataclass(frozen=True, slots=True)
class ShotsPanel:
    """One measure over the number of exemplars."""

    metric: str
    language: str  # "" for all
    base: tuple[Point, ...]
    others: tuple[Point, ...]  # candidate and champion, which are asked in one way only


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationFacts:
    """All that the page shows."""

    verdict: str
    reasons: Sequence[Mapping[str, Any]]
    tests: Sequence[Mapping[str, Any]]
    confidence: float
    candidate: str
    best: str
    """The base's best arm of all."""
    references: tuple[str, ...]
    """The best arm and, where there is one, the champion."""
    columns: tuple[str, ...]
    """The arms in the order of a task's scores: the references, the candidate, the others."""
    items: int
    arms: Sequence[Mapping[str, Any]]
    formats: Mapping[str, Mapping[str, Any]]
    panels: Sequence[ShotsPanel]
    tasks: Sequence[TaskRow]
    confusions: Sequence[Confusion]
    figures: Sequence[Mapping[str, Any]]
    """Of whole sets of items of task files."""
    changes: Changes
    fingerprints: Mapping[str, str]
    asked: Mapping[str, Any]
    """Parameters of the evaluation, where the report holds them."""
    gate: Mapping[str, Any]


def facts_of(
    verdict: Mapping[str, Any],
    evaluated: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]],
    records: Iterable[Record],
    gate: GateParams,
) -> EvaluationFacts:
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
        arms = [row["name"] for row in evaluated["arms"]]
        best = best_of(evaluated)
        references = (best, *([CHAMPION] if CHAMPION in arms else []))
        judged = (*references, TUNED)
        best_of_task = best_by_task(scores, [arm for arm in arms if arm not in (TUNED, CHAMPION)])
        columns = (*judged, *(arm for arm in arms if arm not in judged))
        return EvaluationFacts(
            **{name: verdict[name] for name in ("verdict", "reasons", "tests", "confidence")},
            candidate=TUNED,
            best=best,
            references=references,
            columns=columns,
            items=len({(score.split, score.task, score.language, score.item) for score in scores}),
            arms=evaluated["arms"],
            formats=evaluated["formats"],
            panels=_panels(
                scores,
                evaluated["formats"],
                gate.model_copy(update={"resamples": min(gate.resamples, _DRAWN_RESAMPLES)}),
            ),
            tasks=task_rows(scores, columns, TUNED, best_of_task, gate),
            confusions=confusions(scores, judged),
            changes=changes_of(
                scores,
                {(record.task, record.language, record.id): record for record in records},
                TUNED,
                best_of_task,
                references[1:],
            ),
            figures=evaluated["figures"],
            fingerprints={name: value for name, value in verdict.items() if name.endswith(_FINGERPRINTS) and value},
            asked=evaluated.get("settings", {}),
            gate=gate.model_dump(),
        )
    except (KeyError, TypeError) as error:
        raise ArtefactError(
            f"the reports of evaluate and gate have no usable {error}; run: dvc repro evaluate gate"
        ) from error


def best_of(evaluated: Mapping[str, Any]) -> str:
    """Return the best of the base's best arms; accuracy, then chrF, then loss decide."""
    rows = {row["name"]: row for row in evaluated["arms"]}
    best: list[str] = list(evaluated["best"].values())
    return max(
        best, key=lambda arm: (rows[arm]["accuracy"] or 0.0, rows[arm]["chrf"] or 0.0, -(rows[arm]["loss"] or 0.0))
    )


def _panels(
    scores: Sequence[ItemScore], formats: Mapping[str, Mapping[str, Any]], gate: GateParams
) -> list[ShotsPanel]:
    """Return accuracy over all items and for each language, where there are several, and the loss; what was not measured is left out."""
    test = [score for score in scores if score.split == "test"]
    languages = sorted({score.language for score in test})
    wanted = [("accuracy", ""), ("loss", ""), *(("accuracy", language) for language in languages if len(languages) > 1)]
    panels = []
    for metric, language in wanted:
        points = [
            point
            for arm, way in formats.items()
            if (point := _point(arm, way, metric, [score for score in test if language in ("", score.language)], gate))
        ]
        base = tuple(point for point in points if point.arm not in (TUNED, CHAMPION))
        if base:
            panels.append(
                ShotsPanel(metric, language, base, tuple(point for point in points if point.arm in (TUNED, CHAMPION)))
            )
    return panels


def _point(
    arm: str, way: Mapping[str, Any], metric: str, scores: Sequence[ItemScore], gate: GateParams
) -> Point | None:
    values = [float(value) for score in scores if score.arm == arm and (value := getattr(score, metric)) is not None]
    mean = estimate(values, gate)
    return None if mean is None else Point(arm, way["format"], way["shots"], mean)
