"""Scores of the candidate beside those of its references: means with their intervals, task by task and item by item. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np

from seodang.config import GateParams
from seodang.evaluation.aggregate import LOWER_IS_BETTER, ItemScore, headline
from seodang.gate.statistics import paired_bootstrap

TaskKey = tuple[str, str, str]  # split, task, language
_SPLITS: Final = ("test", "unseen", "task")
_MOST_LABELS: Final = 8  # of a table of confusions; a larger one tells nothing at a glance


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval."""

    value: float
    low: float | None  # None with a single item
    high: float | None
    items: int


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task in one language."""

    task: str
    language: str
    split: str
    kind: str
    metric: str  # the task's headline
    items: int  # that have a headline score
    scores: tuple[float | None, ...]  # of each arm
    reference: str  # the base's best arm on this task
    difference: Estimate | None  # candidate minus that, turned so that more is better; None where nothing was scored


@dataclass(frozen=True, slots=True)
class Confusion:
    """What a choice task's labels were taken for."""

    task: str
    language: str
    labels: tuple[str, ...]
    counts: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]  # arm -> [reference][predicted]


def estimate(values: Sequence[float], gate: GateParams) -> Estimate | None:
    """Return the mean of values, or of paired differences, with its bootstrap interval; None where there are no values."""
    if not values:
        return None
    found = paired_bootstrap(
        np.array(values), margin=0.0, seed=gate.seed, resamples=gate.resamples, confidence=gate.confidence
    )
    return (
        Estimate(found.difference, found.low, found.high, len(values))
        if len(values) > 1
        else Estimate(found.difference, None, None, 1)
    )


def best_by_task(scores: Sequence[ItemScore], arms: Sequence[str]) -> dict[TaskKey, str]:
    """Return which of the arms is best on each task and language by its headline; the first of equals, and of those without scores."""
    values: dict[TaskKey, dict[str, list[float]]] = defaultdict(lambda: {arm: [] for arm in arms})
    for score in scores:
        if score.arm in arms and (value := headline(score)) is not None:
            values[key_of(score)][score.arm].append(-value if score.headline in LOWER_IS_BETTER else value)
    return {
        key: max(arms, key=lambda arm: fmean(found[arm]) if found[arm] else -math.inf) for key, found in values.items()
    }


def key_of(score: ItemScore) -> TaskKey:
    """Return what tells an item's task from all others."""
    return score.split, score.task, score.language


def task_rows(
    scores: Sequence[ItemScore], arms: Sequence[str], candidate: str, best: Mapping[TaskKey, str], gate: GateParams
) -> list[TaskRow]:
    """Return a row for each task and language, those of the test split first.

    Args:
        scores: Of all arms.
        arms: In the order of a row's scores.
        candidate: The arm that is judged.
        best: The base's arm that it is held against, of each task.
        gate: Seed, resamples and confidence of the intervals.
    """
    rows = []
    for split, kind, task, language, metric in sorted(
        {(score.split, score.kind, score.task, score.language, score.headline) for score in scores}, key=_order
    ):
        sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
        found = {
            (score.arm, score.item): value
            for score in scores
            if key_of(score) == (split, task, language) and (value := headline(score)) is not None
        }
        reference, items = best.get((split, task, language), ""), [item for arm, item in found if arm == candidate]
        differences = [
            sign * (found[candidate, item] - found[reference, item]) for item in items if (reference, item) in found
        ]
        means = tuple(_mean([value for (other, _), value in found.items() if other == arm]) for arm in arms)
        rows.append(
            TaskRow(task, language, split, kind, metric, len(items), means, reference, estimate(differences, gate))
        )
    return rows


def _order(row: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    return _SPLITS.index(row[0]), row


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def confusions(scores: Sequence[ItemScore], arms: Sequence[str]) -> list[Confusion]:
    """Return the table of each choice task and language of the test split in which the last of the arms made a mistake."""
    chosen = [
        score
        for score in scores
        if score.arm in arms and score.kind == "choice" and score.split == "test" and score.predicted is not None
    ]
    tables = []
    for task, language in sorted({(score.task, score.language) for score in chosen}):
        mine = [score for score in chosen if (score.task, score.language) == (task, language)]
        labels = tuple(sorted({score.reference for score in mine} | {score.predicted or "" for score in mine}))
        if len(labels) > _MOST_LABELS or all(score.accuracy for score in mine if score.arm == arms[-1]):
            continue
        tables.append(
            Confusion(
                task,
                language,
                labels,
                tuple((arm, _counts([score for score in mine if score.arm == arm], labels)) for arm in arms),
            )
        )
    return tables


def _counts(scores: Sequence[ItemScore], labels: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    pairs = Counter((score.reference, score.predicted) for score in scores)
    return tuple(tuple(pairs[reference, predicted] for predicted in labels) for reference in labels)
