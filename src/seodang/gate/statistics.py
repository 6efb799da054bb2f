"""Paired statistics on the same items. Pure: arrays in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

# Up to so many distinct differences are resampled by their counts: the same distribution, and faster.
_MAX_DISTINCT_VALUES = 64
_DRAWS_PER_CHUNK = 4_000_000  # indices in memory at a time, 32 MB
_TOLERANCE = 1e-12  # rounding error of equal means


@dataclass(frozen=True, slots=True)
class BootstrapResult:
    """The paired bootstrap of a mean difference."""

    difference: float
    low: float
    """Lower end of the interval; -inf with a single item."""
    high: float
    """Upper end of the interval; inf with a single item."""
    p: float
    """Two-sided p-value of a mean difference equal to the margin."""


def compute_paired_bootstrap(
    differences: Floats, *, margin: float, seed: int, resamples: int, confidence: float
) -> BootstrapResult:
    """Return the interval of the mean difference, and the p-value of a mean difference equal to `margin`.

    Percentile intervals of small samples are too narrow, because they ignore that the spread is an estimate. The
    function expands them by the quantiles of Student's t (Hesterberg 2015, The American Statistician 69:371-386,
    section 4.2). The p-value is the level at which that interval just reaches the margin.

    Args:
        differences: Candidate minus reference, one per item, in any fixed order; at least one.
        margin: In the unit of the differences; may be negative.
        seed: Of the resampling.
        resamples: Number of resamples.
        confidence: Of the two-sided interval, such as 0.95.
    """
    count = len(differences)
    observed = float(differences.mean())
    if count == 1:
        return BootstrapResult(observed, -math.inf, math.inf, 1.0)
    means = resample_means(differences, seed=seed, resamples=resamples)
    tail = _expand_tail((1 - confidence) / 2, count)
    low, high = np.quantile(means, [tail, 1 - tail])
    below, above = (means <= margin + _TOLERANCE).sum(), (means >= margin - _TOLERANCE).sum()
    p = 2 * min(_narrow_tail((1 + int(beyond)) / (1 + resamples), count) for beyond in (below, above))
    return BootstrapResult(observed, float(low), float(high), min(1.0, p))


def resample_means(values: Floats, *, seed: int, resamples: int) -> Floats:
    """Return the means of `resamples` samples of equal size, with replacement (Efron and Tibshirani 1993, ch. 13)."""
    rng = np.random.default_rng(seed)
    count = len(values)
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= _MAX_DISTINCT_VALUES:
        means: Floats = rng.multinomial(count, counts / count, size=resamples) @ distinct / count
        return means
    rows = max(1, _DRAWS_PER_CHUNK // count)
    parts = [
        values[rng.integers(0, count, (min(rows, resamples - start), count))].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    return np.concatenate(parts)


def _expand_tail(tail: float, count: int) -> float:
    """Return the tail of the bootstrap distribution whose interval is as wide as Student's."""
    return float(stats.norm.cdf(stats.t.ppf(tail, count - 1) * math.sqrt(count / (count - 1))))


def _narrow_tail(tail: float, count: int) -> float:
    """Return the inverse of _expand_tail()."""
    return float(stats.t.cdf(stats.norm.ppf(min(tail, 1 - 1e-15)) * math.sqrt((count - 1) / count), count - 1))


def compute_mcnemar_exact(candidate: Floats, reference: Floats) -> float:
    """Return the two-sided p-value of McNemar's exact test of equal accuracy.

    Under the null hypothesis each model wins half of the items that only one of them answers correctly. Source: McNemar
    (1947, Psychometrika 12:153-157), with the binomial distribution instead of chi-square.

    Args:
        candidate: 0 or 1 per item.
        reference: The same items in the same order.
    """
    wins, losses = int((candidate > reference).sum()), int((candidate < reference).sum())
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def is_binary(*scores: Floats) -> bool:
    """Return whether all scores are 0 or 1."""
    return all(bool(np.isin(values, (0.0, 1.0)).all()) for values in scores)


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the given order (Holm 1979, Scandinavian Journal of Statistics 6:65-70)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def estimate_required_items(differences: Floats, *, margin: float, significance: float, power: float) -> int | None:
    """Return about how many items would distinguish the mean difference from the margin; None if the two are equal.

    The estimate is the normal approximation n = ((z(1 - significance / 2) + z(power)) * s / (d - margin)) ** 2 with the
    mean d and the standard deviation s of these items.

    Args:
        differences: At least two; None is returned for fewer.
        margin: In the unit of the differences.
        significance: Two-sided, such as 0.05 divided by the number of tests.
        power: Probability of the detection, such as 0.8.
    """
    distance = abs(float(differences.mean()) - margin)
    if len(differences) < 2 or distance < _TOLERANCE:
        return None
    spread = float(differences.std(ddof=1))
    effect = float(stats.norm.ppf(1 - significance / 2) + stats.norm.ppf(power)) * spread / distance
    return max(len(differences) + 1, math.ceil(effect**2))
