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
from seodang.evaluation.aggregate import LOWER_IS_BETTER, ItemScore, get_primary_score
from seodang.gate.statistics import compute_paired_bootstrap

TaskKey = tuple[str, str, str]  # split, task, language
_SPLITS: Final = ("test", "unseen", "task")
_MAX_LABELS: Final = 8  # of a table of confusions; a larger one tells nothing at a glance


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
class ConfusionMatrix:
    """What a choice task's labels were taken for."""

    task: str
    language: str
    labels: tuple[str, ...]
    counts: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]  # arm -> [reference][predicted]


def compute_estimate(values: Sequence[float], gate: GateParams) -> Estimate | None:
    """Return the mean of values, or of paired differences, with its bootstrap interval; None where there are no values."""
    if not values:
        return None
    bootstrap = compute_paired_bootstrap(
        np.array(values), margin=0.0, seed=gate.seed, resamples=gate.resamples, confidence=gate.confidence
    )
    return (
        Estimate(bootstrap.difference, bootstrap.low, bootstrap.high, len(values))
        if len(values) > 1
        else Estimate(bootstrap.difference, None, None, 1)
    )


def find_best_by_task(scores: Sequence[ItemScore], variants: Sequence[str]) -> dict[TaskKey, str]:
    """Return which of the arms is best on each task and language by its headline; the first of equals, and of those without scores."""
    values: dict[TaskKey, dict[str, list[float]]] = defaultdict(lambda: {arm: [] for arm in variants})
    for score in scores:
        if score.variant in variants and (value := get_primary_score(score)) is not None:
            values[get_task_key(score)][score.variant].append(
                -value if score.primary_metric in LOWER_IS_BETTER else value
            )
    return {
        key: max(variants, key=lambda arm: fmean(found[arm]) if found[arm] else -math.inf)
        for key, found in values.items()
    }


def get_task_key(score: ItemScore) -> TaskKey:
    """Return what tells an item's task from all others."""
    return score.split, score.task, score.language


def build_task_rows(
    scores: Sequence[ItemScore], variants: Sequence[str], candidate: str, best: Mapping[TaskKey, str], gate: GateParams
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
        {(score.split, score.kind, score.task, score.language, score.primary_metric) for score in scores},
        key=_get_sort_key,
    ):
        sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
        values = {
            (score.variant, score.item): value
            for score in scores
            if get_task_key(score) == (split, task, language) and (value := get_primary_score(score)) is not None
        }
        reference, items = best.get((split, task, language), ""), [item for arm, item in values if arm == candidate]
        differences = [
            sign * (values[candidate, item] - values[reference, item]) for item in items if (reference, item) in values
        ]
        means = tuple(
            _compute_mean([value for (other, _), value in values.items() if other == arm]) for arm in variants
        )
        rows.append(
            TaskRow(
                task, language, split, kind, metric, len(items), means, reference, compute_estimate(differences, gate)
            )
        )
    return rows


def _get_sort_key(row: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    return _SPLITS.index(row[0]), row


def _compute_mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def build_confusion_matrices(scores: Sequence[ItemScore], variants: Sequence[str]) -> list[ConfusionMatrix]:
    """Return the table of each choice task and language of the test split in which the last of the arms made a mistake."""
    choice_scores = [
        score
        for score in scores
        if score.variant in variants
        and score.kind == "choice"
        and score.split == "test"
        and score.prediction is not None
    ]
    tables = []
    for task, language in sorted({(score.task, score.language) for score in choice_scores}):
        task_scores = [score for score in choice_scores if (score.task, score.language) == (task, language)]
        labels = tuple(
            sorted({score.reference for score in task_scores} | {score.prediction or "" for score in task_scores})
        )
        if len(labels) > _MAX_LABELS or all(score.accuracy for score in task_scores if score.variant == variants[-1]):
            continue
        tables.append(
            ConfusionMatrix(
                task,
                language,
                labels,
                tuple(
                    (arm, _count_pairs([score for score in task_scores if score.variant == arm], labels))
                    for arm in variants
                ),
            )
        )
    return tables


def _count_pairs(scores: Sequence[ItemScore], labels: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    pairs = Counter((score.reference, score.prediction) for score in scores)
    return tuple(tuple(pairs[reference, predicted] for predicted in labels) for reference in labels)
