"""Warnings about what the context left of the requests, and about ties."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from seodang.i18n import _

logger = logging.getLogger(__name__)


def warn_about_limits(rows: Sequence[Mapping[str, Any]]) -> None:
    """Log the tasks with items that exceed a model's context, or with ties."""
    if tasks := _format_counts(rows, "truncated"):
        logger.warning(
            _("items that are longer than the model's context lost the beginning of their prompt: {tasks}", tasks=tasks)
        )
    if tasks := _format_counts(rows, "ties"):
        logger.warning(
            _("items with several options of exactly the same likelihood count as wrong: {tasks}", tasks=tasks)
        )


def _format_counts(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return each task with its largest count of a variant; "" where all counts are 0."""
    counts: dict[str, int] = {}
    for row in rows:
        task = f"{row['task']} [{row['language']}]"
        counts[task] = max(counts.get(task, 0), row[name])
    return ", ".join(f"{task} {count}" for task, count in counts.items() if count)
