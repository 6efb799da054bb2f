"""The scores of each task from the files of stage `evaluate`: the base with its best prompt, and the candidate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seodang.config import GateParams
from seodang.evaluation.aggregate import TUNED_VARIANT, ItemScore, is_base_variant
from seodang.reports.evaluation.comparison import Estimate, build_task_rows, find_best_by_task


@dataclass(frozen=True, slots=True)
class TaskScore:
    """One task in one language, in its primary metric."""

    task: str
    language: str
    metric: str
    items: int
    """Items of the candidate with a score in this metric."""
    prompt: str
    """Variant of the base that is best on this task."""
    base: float | None
    tuned: float | None
    difference: Estimate | None
    """Tuned minus base, sign turned so that more is better; None without common items."""


def build_task_scores(rows: Iterable[Mapping[str, Any]], gate: GateParams) -> list[TaskScore]:
    """Return the scores of each task and language, those of the test split first.

    Args:
        rows: Per-item scores of stage `evaluate`.
        gate: Seed, resamples and confidence of the intervals.
    """
    scores = [ItemScore(**row) for row in rows]
    variants = list(dict.fromkeys(score.variant for score in scores))
    best = find_best_by_task(scores, [name for name in variants if is_base_variant(name)])
    return [
        TaskScore(
            task=row.task,
            language=row.language,
            metric=row.metric,
            items=row.items,
            prompt=row.reference,
            base=means.get(row.reference),
            tuned=means.get(TUNED_VARIANT),
            difference=row.difference,
        )
        for row in build_task_rows(scores, variants, TUNED_VARIANT, best, gate)
        for means in [dict(zip(variants, row.scores, strict=True))]
    ]
