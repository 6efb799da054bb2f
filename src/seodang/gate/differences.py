"""Differences of scores with the sign that a reader expects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seodang.metric_registry import get_direction


@dataclass(frozen=True, slots=True)
class ScoreDifference:
    """Candidate minus reference with its interval: a loss that falls has a minus sign."""

    value: float
    low: float | None
    high: float | None


def read_score_difference(result: Mapping[str, Any]) -> ScoreDifference:
    """Return the difference of the scores that a rule's result compares.

    The gate turns the sign of a metric that is better the lower it is, so that one test fits all metrics. In a table
    beside both scores, that sign contradicts them.

    Args:
        result: Fields of a RuleResult, as in verdict.json.
    """
    raw = result["candidate"] - result["reference"]
    turned = raw * result["difference"]
    is_turned = turned < 0 or (turned == 0 and get_direction(result["metric"]) is False)
    return turn_difference(result["difference"], result["low"], result["high"], is_turned=is_turned)


def turn_difference(value: float, low: float | None, high: float | None, *, is_turned: bool) -> ScoreDifference:
    """Return a difference whose sign was turned so that more is better, with the sign of the scores."""
    if not is_turned:
        return ScoreDifference(value, low, high)
    return ScoreDifference(0.0 - value, None if high is None else 0.0 - high, None if low is None else 0.0 - low)
