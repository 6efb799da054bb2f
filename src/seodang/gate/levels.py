"""The levels of judgements on the same items: how the error budget is shared, and how much it costs. Pure."""

from __future__ import annotations

from functools import cache

from scipy import stats

from seodang.config import GateParams

_NOTHING_LEFT = 1e-12  # of the budget; rounding error
_WORN_OUT = 2.0  # times the items of a first judgement


def compute_tail(number: int, gate: GateParams, spent: float | None = None) -> float:
    """Return the one-sided level of a judgement; the levels of all judgements add up to 1 - confidence.

    Each judgement takes its share of what is left, so that the sum is kept where confidence or the number of judgements
    changed between them.

    Args:
        number: From 1.
        gate: Confidence, and number of judgements.
        spent: Levels of the earlier judgements; None for those that these parameters give.

    Returns:
        The level; 0.0 after gate.judgements, or where nothing is left.
    """
    shares = _list_shares(gate.judgements)
    if number > gate.judgements:
        return 0.0
    budget = 1 - gate.confidence
    left = budget * sum(shares[number - 1 :]) if spent is None else budget - spent
    return left * shares[number - 1] / sum(shares[number - 1 :]) if left > _NOTHING_LEFT else 0.0


@cache
def _list_shares(judgements: int) -> list[float]:
    """Return the shares of the budget: one half, and shares of the other half that fall as 1 / number."""
    total = sum(1 / number for number in range(2, judgements + 1))
    return [0.5, *(0.5 / number / total for number in range(2, judgements + 1))]


def compute_wear(tail: float, gate: GateParams) -> float:
    """Return how many times the items of a first judgement a rule needs for the same statistical power.

    The normal approximation: ((z(1 - tail) + z(power)) / (z(1 - first tail) + z(power))) ** 2.
    """
    power = stats.norm.ppf(gate.power)
    first, now = (stats.norm.isf(level) + power for level in (compute_tail(1, gate), tail))
    return float((now / first) ** 2)


def is_worn_out(tail: float, gate: GateParams) -> bool:
    """Return whether a rule needs at least twice the items of a first judgement."""
    return compute_wear(tail, gate) >= _WORN_OUT
