"""How many items an interval needs where differences are skewed. Pure: arrays in, numbers out."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from seodang.gate.statistics import MINIMUM_GROUPS, Floats, GroupedDifferences

# Groups for each squared skewness. Cochran (1977, Sampling Techniques, 3rd ed., p. 42) has 25, for both ends together.
# With 40 the end on the side of the tail keeps its level too (benchmarks/gate_simulation.py).
_SKEWNESS_FACTOR = 40
# Groups whose difference is not the most frequent one. Where most groups differ, fewer are enough for the level: the
# graded marks of 20 items can then be decided (benchmarks/gate_simulation.py).
_MINIMUM_DIFFERING = 20
_MINIMUM_WHERE_MOST_DIFFER = 14
_MOST = 0.6
_FEW_GROUPED = 0.1  # of the items: so few in groups of several leave the others' bounded tails


def compute_shape_minimum(grouped: GroupedDifferences, *, side: int, is_binary: bool = False) -> int:
    """Return how many groups the interval needs for its level, given the differences' shape; 0 if any number does.

    A long tail that a sample has not met yet makes an interval too narrow. Groups with the most frequent difference,
    mostly 0 where both models answer alike, show nothing of the tails. So the others count: 20 of them are needed (14
    where most groups differ, 10 of binary scores). Where the tail lies against the decision, at least 40 times their
    squared skewness are needed (after Cochran 1977, p. 42). Differences of single binary scores have bounded tails, and
    exact tests of their own. A group of them may be lost as a whole.

    Args:
        grouped: Differences by group.
        side: 1 for a decision that the mean is high, which a tail of low differences endangers; -1 for the opposite.
        is_binary: Both models score 0 or 1. Graded scores may differ by -1, 0 or 1 in a sample too, and have tails.
    """
    if is_binary and grouped.sizes[grouped.sizes > 1].sum() <= _FEW_GROUPED * grouped.sizes.sum():
        return 0
    differing = _select_differing(grouped, is_binary=is_binary)
    if not len(differing) or len(grouped) < 3:
        return _SKEWNESS_FACTOR * 4  # nothing is known of the spread
    skewness = float(stats.skew(differing, bias=False)) if len(differing) >= 3 and np.ptp(differing) > 0 else 0.0
    share = len(differing) / len(grouped)
    fewest = _MINIMUM_WHERE_MOST_DIFFER if share >= _MOST else _MINIMUM_DIFFERING
    needed = max(_SKEWNESS_FACTOR * max(0.0, -side * skewness) ** 2, MINIMUM_GROUPS if is_binary else fewest)
    return math.ceil(needed * len(grouped) / len(differing))


def _select_differing(grouped: GroupedDifferences, *, is_binary: bool) -> Floats:
    """Return the residuals of the groups that show something of the tails."""
    if is_binary:  # sums of the same few numbers are equal by chance
        differing: Floats = grouped.residuals[grouped.sums != 0]
        return differing
    rounded = np.round(grouped.residuals, 9)
    values, counts = np.unique(rounded, return_counts=True)
    others: Floats = grouped.residuals[rounded != values[counts.argmax()]]
    return others if counts.max() > 1 else grouped.residuals


def compute_unseen_share(*, count: int, confidence: float) -> float:
    """Return the largest share of items that a sample may have missed entirely.

    A share u escapes `count` draws with the probability (1 - u) ** count. It is (1 - confidence) / 2 for the returned
    share (the "rule of three": Hanley and Lippman-Hand 1983, JAMA 249:1743-1745).

    Args:
        count: Independent items or groups.
        confidence: Of the two-sided interval.
    """
    return float(1 - ((1 - confidence) / 2) ** (1 / count))
