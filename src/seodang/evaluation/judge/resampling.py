"""Bootstrap over groups of dependent pairs. Pure.

Pairs that share a question are not independent, so a resample draws complete groups. Every statistic here is a
function of sums over pairs, such as the cells of a confusion table. So a resample adds the sums of its groups, and one
matrix product gives all resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Takes sums of shape (..., columns) and returns values of shape (...); NaN where the statistic is not defined."""

CONFIDENCE: Final = 0.95
MINIMUM_GROUPS: Final = 10  # with fewer, the spread between groups is not known well enough
_RESAMPLES: Final = 10_000
_SEED: Final = 1446
_RESAMPLES_PER_CHUNK: Final = 1_000
_MAX_UNDEFINED: Final = 0.05  # share of resamples without a value, above which the interval is unknown


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval."""

    value: float | None
    """None where the data do not define it, such as kappa when every verdict is the same."""
    low: float | None = None
    """Lower end of the interval at CONFIDENCE; None with too few groups or without any variation."""
    high: float | None = None


def sum_groups(columns: Floats, groups: Sequence[str]) -> Floats:
    """Return the sums of each group, in the order of its first pair.

    Args:
        columns: Of shape (pairs, columns).
        groups: Name of the group of each pair.
    """
    order = {name: index for index, name in enumerate(dict.fromkeys(groups))}
    sums = np.zeros((len(order), columns.shape[1]))
    np.add.at(sums, [order[name] for name in groups], columns)
    return sums


def estimate(columns: Floats, groups: Sequence[str], statistic: Statistic) -> Estimate:
    """Return a statistic of all pairs with its bootstrap percentile interval over groups.

    Percentile intervals of few groups are too narrow; the quantiles of Student's t expand them (Hesterberg 2015, The
    American Statistician 69:371-386, section 4.2).

    Args:
        columns: What the statistic sums, of shape (pairs, columns).
        groups: Name of the group of each pair.
        statistic: Of the sums.
    """
    sums = sum_groups(columns, groups)
    value = float(statistic(sums.sum(axis=0)))
    if math.isnan(value):
        return Estimate(None)
    if len(sums) < MINIMUM_GROUPS:
        return Estimate(value)
    values = _resample(sums, statistic)
    known = values[~np.isnan(values)]
    if len(known) < (1 - _MAX_UNDEFINED) * len(values):
        return Estimate(value)
    tail = float(ndtr(stdtrit(len(sums) - 1, (1 - CONFIDENCE) / 2) * math.sqrt(len(sums) / (len(sums) - 1))))
    low, high = np.quantile(known, [tail, 1 - tail])
    # Resamples that are all equal only show that the data lack the rare cases.
    return Estimate(value, float(low), float(high)) if high > low else Estimate(value)


def _resample(sums: Floats, statistic: Statistic) -> Floats:
    """Return the statistic of each resample."""
    generator = np.random.default_rng(_SEED)
    count = len(sums)
    shares = np.full(count, 1 / count)
    chunks = [
        statistic(generator.multinomial(count, shares, size=_RESAMPLES_PER_CHUNK) @ sums)
        for _ in range(_RESAMPLES // _RESAMPLES_PER_CHUNK)
    ]
    return np.concatenate(chunks)


def estimate_share(flags: Floats, groups: Sequence[str]) -> Estimate:
    """Return the mean of values from 0 to 1 with Wilson's interval; it stays honest at 0 and 1.

    The number of pairs is divided by the design effect of the groups (Kish 1965, section 8.2), so that dependent pairs
    count less.

    Args:
        flags: 0 or 1, or a value between, for each pair.
        groups: Name of the group of each pair.
    """
    count = len(flags)
    if not count:
        return Estimate(None)
    share = float(flags.mean())
    sums = sum_groups(np.column_stack([flags, np.ones(count)]), groups)
    if len(sums) < MINIMUM_GROUPS:
        return Estimate(share)
    low, high = compute_wilson(share, max(1.0, count / _compute_design_effect(sums, share)))
    return Estimate(share, min(share, low), max(share, high))


def compute_wilson(share: float, count: float) -> tuple[float, float]:
    """Return Wilson's interval of a share. Neither it nor the count need be that of whole pairs."""
    square = float(ndtri((1 + CONFIDENCE) / 2)) ** 2
    center = share + square / (2 * count)
    width = math.sqrt(square * (share * (1 - share) + square / (4 * count)) / count)
    return (center - width) / (1 + square / count), (center + width) / (1 + square / count)


def _compute_design_effect(sums: Floats, share: float) -> float:
    """Return how many times the variance of a share exceeds that of independent pairs; at least 1."""
    groups, count = len(sums), float(sums[:, 1].sum())
    independent = share * (1 - share) / max(1.0, count - 1)
    if independent <= 0:
        return max(1.0, count / groups)
    residuals = sums[:, 0] - share * sums[:, 1]
    clustered = groups / (groups - 1) * float(np.square(residuals).sum()) / count**2
    return max(1.0, clustered / independent)
