"""Counts of a recipe for the manifest of its run. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from seodang.synthesis.calls import Generated, Rejection, Row


def summarize(rows: Sequence[Row], rejections: Sequence[Rejection], figures: Mapping[str, Any]) -> Generated:
    """Return what came of a recipe, with the reasons of its rejections, the most frequent first, among its figures."""
    reasons = Counter(rejection.reason for rejection in rejections)
    counts = {"tasks_kept": len(rows), "rejected": dict(reasons.most_common())}
    return Generated(rows=rows, rejections=rejections, figures={**figures, **counts})
