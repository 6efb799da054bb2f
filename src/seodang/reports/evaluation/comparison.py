"""Comparison of the candidate with its references per task: means, differences, confusion matrices. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np

from seodang.config import GateParams
from seodang.evaluation.aggregate import TASK_FILE_SPLIT, ItemScore, get_group_name, get_primary_score
from seodang.gate.statistics import compute_paired_bootstrap
from seodang.metric_registry import LOWER_IS_BETTER

TaskKey = tuple[str, str, str]  # split, task, language
_SPLITS: Final = ("test", "unseen", TASK_FILE_SPLIT)
_MAX_LABELS: Final = 8  # of a confusion matrix; larger ones are hard to read


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
    metric: str
    """The primary metric."""
    items: int
    """Items with a score in the primary metric."""
    independent_groups: int
    """Groups of these items that do not depend on each other."""
    scores: tuple[float | None, ...]
    """Mean of each variant."""
    reference: str
    """The base's best variant on this task."""
    difference: Estimate | None
    """Candidate minus reference, sign turned so that more is better; None without scores."""


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """Predicted labels of a choice task against its references."""

    task: str
    language: str
    labels: tuple[str, ...]
    counts: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]  # variant -> [reference][prediction]


def compute_estimate(values: Sequence[float], groups: Sequence[str], gate: GateParams) -> Estimate | None:
    """Return the mean of values or paired differences with its bootstrap interval; None without values.

    Args:
        values: One per item.
        groups: Name of each item's group of dependent items.
        gate: Seed, resamples and confidence.
    """
    if not values:
        return None
    bootstrap = compute_paired_bootstrap(
        np.array(values),
        margin=0.0,
        seed=gate.seed,
        resamples=gate.resamples,
        confidence=gate.confidence,
        groups=groups,
    )
    return (
        Estimate(bootstrap.difference, bootstrap.low, bootstrap.high, len(values))
        if len(set(groups)) > 1
        else Estimate(bootstrap.difference, None, None, len(values))
    )


def find_best_by_task(scores: Sequence[ItemScore], variants: Sequence[str]) -> dict[TaskKey, str]:
    """Return the best variant of each task and language in the primary metric; the first one of equal variants."""
    values: dict[TaskKey, dict[str, list[float]]] = defaultdict(lambda: {variant: [] for variant in variants})
    for score in scores:
        if score.variant in variants and (value := get_primary_score(score)) is not None:
            values[get_task_key(score)][score.variant].append(
                -value if score.primary_metric in LOWER_IS_BETTER else value
            )
    return {
        key: max(variants, key=lambda variant: fmean(scores[variant]) if scores[variant] else -math.inf)
        for key, scores in values.items()
    }


def get_task_key(score: ItemScore) -> TaskKey:
    """Return the unique key of an item's task."""
    return score.split, score.task, score.language


def build_task_rows(
    scores: Sequence[ItemScore], variants: Sequence[str], candidate: str, best: Mapping[TaskKey, str], gate: GateParams
) -> list[TaskRow]:
    """Return a row for each task and language, those of the test split first.

    Args:
        scores: Of all variants.
        variants: In the order of a row's scores.
        candidate: Variant that is compared.
        best: The base's variant that it is compared with, by task.
        gate: Seed, resamples and confidence of the intervals.
    """
    rows = []
    for split, kind, task, language, metric in sorted(
        {(score.split, score.kind, score.task, score.language, score.primary_metric) for score in scores},
        key=_get_sort_key,
    ):
        task_scores = [score for score in scores if get_task_key(score) == (split, task, language)]
        values = {
            (score.variant, score.item): value
            for score in task_scores
            if (value := get_primary_score(score)) is not None
        }
        groups = {score.item: get_group_name(score) for score in task_scores}
        items = [item for variant, item in values if variant == candidate]
        reference = best.get((split, task, language), "")
        means = tuple(
            _compute_mean([value for (other, _), value in values.items() if other == variant]) for variant in variants
        )
        rows.append(
            TaskRow(
                task=task,
                language=language,
                split=split,
                kind=kind,
                metric=metric,
                items=len(items),
                independent_groups=len({groups[item] for item in items}),
                scores=means,
                reference=reference,
                difference=_compute_difference(values, groups, (candidate, reference), metric, gate),
            )
        )
    return rows


def _compute_difference(
    values: Mapping[tuple[str, str], float],
    groups: Mapping[str, str],
    variants: tuple[str, str],
    metric: str,
    gate: GateParams,
) -> Estimate | None:
    """Return candidate minus reference over the items that both have, sign turned so that more is better."""
    candidate, reference = variants
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    differences = {
        item: sign * (value - values[reference, item])
        for (variant, item), value in values.items()
        if variant == candidate and (reference, item) in values
    }
    return compute_estimate([*differences.values()], [groups[item] for item in differences], gate)


def _get_sort_key(row: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    return _SPLITS.index(row[0]), row


def _compute_mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def build_confusion_matrices(scores: Sequence[ItemScore], variants: Sequence[str]) -> list[ConfusionMatrix]:
    """Return the matrices of the test split's choice tasks in which the last variant made an error."""
    choice_scores = [
        score
        for score in scores
        if score.variant in variants
        and score.kind == "choice"
        and score.split == "test"
        and score.prediction is not None
    ]
    matrices = []
    for task, language in sorted({(score.task, score.language) for score in choice_scores}):
        task_scores = [score for score in choice_scores if (score.task, score.language) == (task, language)]
        labels = tuple(
            sorted({score.reference for score in task_scores} | {score.prediction or "" for score in task_scores})
        )
        if len(labels) > _MAX_LABELS or all(score.accuracy for score in task_scores if score.variant == variants[-1]):
            continue
        matrices.append(
            ConfusionMatrix(
                task,
                language,
                labels,
                tuple(
                    (variant, _count_pairs([score for score in task_scores if score.variant == variant], labels))
                    for variant in variants
                ),
            )
        )
    return matrices


def _count_pairs(scores: Sequence[ItemScore], labels: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    pairs = Counter((score.reference, score.prediction) for score in scores)
    return tuple(tuple(pairs[reference, predicted] for predicted in labels) for reference in labels)
