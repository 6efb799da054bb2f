"""What the context left of the requests, and ties between options, per task. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seodang.evaluation.aggregate import ItemScore, count_request_limits


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """One task in one language."""

    task: str
    language: str
    split: str
    counts: tuple[Mapping[str, Any] | None, ...]
    """Row of `count_request_limits` for each variant; None where a variant has no score."""


def build_task_limits(scores: Sequence[ItemScore], variants: Sequence[str]) -> list[TaskLimits]:
    """Return a row for each task and language, in the order of the scores.

    Args:
        scores: Of all variants.
        variants: In the order of a row's counts.
    """
    rows = {(row["split"], row["task"], row["language"], row["variant"]): row for row in count_request_limits(scores)}
    tasks = dict.fromkeys(key[:3] for key in rows)
    return [
        TaskLimits(task, language, split, tuple(rows.get((split, task, language, variant)) for variant in variants))
        for split, task, language in tasks
    ]
