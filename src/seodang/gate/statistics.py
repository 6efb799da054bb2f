"""Paired statistics on the same items. Pure: arrays in, numbers out.

Items may belong to groups, such as the questions on one passage. Items of a group are not independent, so resampling
draws complete groups, and a permutation turns the sign of complete groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

Floats = NDArray[np.float64]

MINIMUM_GROUPS = 10  # of dependent items: the spread between fewer groups is not known well enough
# Up to so many distinct groups are resampled by their counts: the same distribution, and faster.
_MAX_DISTINCT_VALUES = 64
_DRAWS_PER_CHUNK = 1_000_000  # indices in memory at a time, 8 MB and five columns of values
_TOLERANCE = 1e-12  # rounding error of equal means
_MAX_T = 1e12  # of a resample without spread


@dataclass(frozen=True, slots=True)
class BootstrapResult:
    """The paired bootstrap of a mean difference."""

    difference: float
    low: float
    """Lower end of the interval; -inf with a single group."""
    high: float
    """Upper end of the interval; inf with a single group."""
    p: float
    """Two-sided p-value of a mean difference equal to the margin."""


@dataclass(frozen=True, slots=True)
class GroupedDifferences:
    """Differences of items, summed by group."""

    sums: Floats
    """Of shape (groups,), in the order of the first item of each group."""
    sizes: Floats
    """Items of each group."""
    is_ternary: bool
    """Each item has a difference of -1, 0 or 1, as binary scores have."""

    def __len__(self) -> int:
        return len(self.sums)

    @property
    def effective_groups(self) -> float:
        """Return how many groups of equal size weigh as much; a group with most of the items leaves about one.

        The square of the sum of the sizes over the sum of their squares (Kish 1965, Survey Sampling, section 11.7).
        """
        return float(self.sizes.sum() ** 2 / np.square(self.sizes).sum())

    @property
    def mean(self) -> float:
        """Return the mean over the items."""
        return float(self.sums.sum() / self.sizes.sum())

    @property
    def residuals(self) -> Floats:
        """Return each group's sum less what the mean expects of its size; their mean is zero."""
        return self.sums - self.mean * self.sizes

    @property
    def standard_error(self) -> float:
        """Return the standard error of the mean over the items; infinite with a single group.

        It is that of a linearized ratio estimator (Cochran 1977, section 6.4); s / sqrt(n) where groups have one item.
        """
        count = len(self)
        if count < 2:
            return math.inf
        return math.sqrt(count / (count - 1) * float(np.square(self.residuals).sum())) / float(self.sizes.sum())


def group_differences(differences: Floats, groups: Sequence[str] | None = None) -> GroupedDifferences:
    """Return the differences by group.

    Args:
        differences: Candidate minus reference, one per item, in any fixed order; at least one.
        groups: Name of each item's group; None if items are independent.
    """
    is_ternary = bool(np.isin(differences, (-1.0, 0.0, 1.0)).all())
    if groups is None or len(set(groups)) == len(groups):
        return GroupedDifferences(differences, np.ones(len(differences)), is_ternary)
    order = {name: index for index, name in enumerate(dict.fromkeys(groups))}
    indices = np.array([order[name] for name in groups])
    return GroupedDifferences(
        np.bincount(indices, weights=differences).astype(np.float64),
        np.bincount(indices).astype(np.float64),
        is_ternary,
    )


def compute_paired_bootstrap(
    differences: Floats,
    *,
    margin: float,
    seed: int,
    resamples: int,
    confidence: float,
    groups: Sequence[str] | None = None,
) -> BootstrapResult:
    """Return the interval of the mean difference, and the p-value of a mean difference equal to `margin`.

    Differences of binary scores get the percentile interval. Percentile intervals of small samples are too narrow,
    because they ignore that the spread is an estimate. The function expands them by the quantiles of Student's t
    (Hesterberg 2015, The American Statistician 69:371-386, section 4.2). Other differences may be skewed, and get the
    bootstrap-t interval, which follows the skewness (Efron and Tibshirani 1993, section 12.5). The p-value is the level
    at which the interval just reaches the margin.

    Args:
        differences: Candidate minus reference, one per item, in any fixed order; at least one.
        margin: In the unit of the differences; may be negative.
        seed: Of the resampling.
        resamples: Number of resamples.
        confidence: Of the two-sided interval, such as 0.95.
        groups: Name of each item's group; None if items are independent.
    """
    grouped = group_differences(differences, groups)
    observed = grouped.mean
    if len(grouped) == 1:
        return BootstrapResult(observed, -math.inf, math.inf, 1.0)
    means, errors = _resample(grouped, seed=seed, resamples=resamples)
    if grouped.is_ternary:
        return _build_percentile_result(means, observed, margin=margin, count=len(grouped), confidence=confidence)
    return _build_studentized_result(means, errors, grouped, margin=margin, confidence=confidence)


def _build_percentile_result(
    means: Floats, observed: float, *, margin: float, count: int, confidence: float
) -> BootstrapResult:
    tail = _expand_tail((1 - confidence) / 2, count)
    low, high = np.quantile(means, [tail, 1 - tail])
    below, above = (means <= margin + _TOLERANCE).sum(), (means >= margin - _TOLERANCE).sum()
    p = 2 * min(_narrow_tail((1 + int(beyond)) / (1 + len(means)), count) for beyond in (below, above))
    return BootstrapResult(observed, float(low), float(high), min(1.0, p))


def _build_studentized_result(
    means: Floats, errors: Floats, grouped: GroupedDifferences, *, margin: float, confidence: float
) -> BootstrapResult:
    observed, error = grouped.mean, grouped.standard_error
    deviations = means - observed
    has_spread = errors > _TOLERANCE
    deviations[np.abs(deviations) < _TOLERANCE] = 0.0
    t = np.clip(
        np.where(has_spread, deviations / np.where(has_spread, errors, 1.0), np.sign(deviations) * _MAX_T),
        -_MAX_T,
        _MAX_T,
    )
    tail = (1 - confidence) / 2
    low_t, high_t = np.quantile(t, [tail, 1 - tail])
    distance = observed - margin
    t_margin = distance / error if error > _TOLERANCE else math.copysign(_MAX_T, distance) if distance else 0.0
    beyond = min(int((t >= t_margin).sum()), int((t <= t_margin).sum()))
    p = 2 * (1 + beyond) / (1 + len(t))
    return BootstrapResult(observed, float(observed - high_t * error), float(observed - low_t * error), min(1.0, p))


def _resample(grouped: GroupedDifferences, *, seed: int, resamples: int) -> tuple[Floats, Floats]:
    """Return the means and standard errors of samples of as many groups, drawn with replacement."""
    rng = np.random.default_rng(seed)
    count = len(grouped)
    units, counts = np.unique(np.stack([grouped.sums, grouped.sizes], axis=1), axis=0, return_counts=True)
    if len(units) <= _MAX_DISTINCT_VALUES:
        moments = rng.multinomial(count, counts / count, size=resamples) @ _list_moments(units[:, 0], units[:, 1])
    else:
        columns = _list_moments(grouped.sums, grouped.sizes)
        rows = max(1, _DRAWS_PER_CHUNK // count)
        draw = _draw_single_items if (grouped.sizes == 1).all() else _draw_groups
        moments = np.concatenate(
            [draw(rng, columns, min(rows, resamples - start)) for start in range(0, resamples, rows)]
        )
    sums, sizes, squares, products, square_sizes = moments.T
    means = sums / sizes
    variances = np.maximum(squares - 2 * means * products + means**2 * square_sizes, 0.0) * count / (count - 1)
    return means, np.sqrt(variances) / sizes


def _draw_groups(rng: np.random.Generator, columns: Floats, resamples: int) -> Floats:
    """Return the totals of the columns in each resample of the rows: of shape (resamples, columns)."""
    count = len(columns)
    drawn = rng.integers(0, count, (resamples, count)) + count * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * count).reshape(resamples, count)
    totals: Floats = counts.astype(np.float64) @ columns
    return totals


def _draw_single_items(rng: np.random.Generator, columns: Floats, resamples: int) -> Floats:
    """Return the same where each group has one item, in a third of the time."""
    count = len(columns)
    values = columns[:, 0][rng.integers(0, count, (resamples, count), dtype=np.uint32)]
    sums, squares = values.sum(axis=1), np.einsum("ij,ij->i", values, values)
    sizes = np.full(resamples, float(count))
    return np.stack([sums, sizes, squares, sums, sizes], axis=1)


def _list_moments(sums: Floats, sizes: Floats) -> Floats:
    """Return the columns whose totals give the mean and its standard error."""
    return np.stack([sums, sizes, sums**2, sums * sizes, sizes**2], axis=1)


def _expand_tail(tail: float, count: int) -> float:
    """Return the tail of the bootstrap distribution whose interval is as wide as Student's."""
    return float(ndtr(stdtrit(count - 1, tail) * math.sqrt(count / (count - 1))))


def _narrow_tail(tail: float, count: int) -> float:
    """Return the inverse of _expand_tail()."""
    return float(stdtr(count - 1, ndtri(min(tail, 1 - 1e-15)) * math.sqrt((count - 1) / count)))


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the given order (Holm 1979, Scandinavian Journal of Statistics 6:65-70)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
