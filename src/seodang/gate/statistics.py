"""Paired statistics on the same items. Pure: arrays in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

_MAX_DISTINCT_VALUES = (
    64  # differences of so few distinct sizes are drawn by their counts: the same distribution, and quicker
)
_DRAWS_PER_CHUNK = 4_000_000  # item numbers drawn at a time, 32 MB
_TOLERANCE = 1e-12  # means that differ by less are equal but for rounding


@dataclass(frozen=True, slots=True)
class BootstrapResult:
    """The paired bootstrap of a mean difference."""

    difference: float
    low: float  # of the interval; -inf with a single item, of which no interval is known
    high: float
    p: float  # two-sided, of no difference beyond the margin


def compute_paired_bootstrap(
    differences: Floats, *, margin: float, seed: int, resamples: int, confidence: float
) -> BootstrapResult:
    """Return the interval of the mean difference and the p-value of its being `margin`.

    Percentile intervals of small samples are too narrow: they leave out that the spread itself is estimated. They are
    expanded as Hesterberg (2015, The American Statistician 69:371-386, section 4.2) does, by the quantiles to which
    Student's t would go. The p-value is the one at which that interval would just reach the margin.

    Args:
        differences: Candidate minus reference, one an item, in any fixed order; at least one.
        margin: In the unit of the differences; may be negative.
        seed: Of the resampling.
        resamples: How many.
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
    """Return the means of `resamples` samples, with replacement, of as many items (Efron and Tibshirani 1993, ch. 13)."""
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
    """Return the tail to take of the bootstrap's distribution, so that the interval is as wide as Student's."""
    return float(stats.norm.cdf(stats.t.ppf(tail, count - 1) * math.sqrt(count / (count - 1))))


def _narrow_tail(tail: float, count: int) -> float:
    """Return the inverse of _expanded."""
    return float(stats.t.cdf(stats.norm.ppf(min(tail, 1 - 1e-15)) * math.sqrt((count - 1) / count), count - 1))


def compute_mcnemar_exact(candidate: Floats, reference: Floats) -> float:
    """Return the two-sided p-value of McNemar's exact test: of the items that only one got right, half should be each one's.

    McNemar (1947, Psychometrika 12:153-157), with the binomial distribution in place of chi-square.

    Args:
        candidate: 0 or 1 an item.
        reference: The same items in the same order.
    """
    wins, losses = int((candidate > reference).sum()), int((candidate < reference).sum())
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def is_binary(*scores: Floats) -> bool:
    """Return whether all scores are right or wrong."""
    return all(bool(np.isin(values, (0.0, 1.0)).all()) for values in scores)


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number (Holm 1979, Scandinavian Journal of Statistics 6:65-70), in their order."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def estimate_required_items(differences: Floats, *, margin: float, significance: float, power: float) -> int | None:
    """Return about how many items would tell the mean difference from the margin; None if it stands at the margin itself.

    The normal approximation n = ((z(1 - significance / 2) + z(power)) * s / (d - margin)) ** 2, of which the mean d and the
    standard deviation s are taken as they are on these items.

    Args:
        differences: At least two; fewer tell nothing, and None is returned.
        margin: In the unit of the differences.
        significance: Two-sided, such as 0.05 divided by the number of tests.
        power: Chance of telling it, such as 0.8.
    """
    distance = abs(float(differences.mean()) - margin)
    if len(differences) < 2 or distance < _TOLERANCE:
        return None
    spread = float(differences.std(ddof=1))
    effect = float(stats.norm.ppf(1 - significance / 2) + stats.norm.ppf(power)) * spread / distance
    return max(len(differences) + 1, math.ceil(effect**2))
