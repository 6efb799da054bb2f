"""Tests of two models whose scores are 0 or 1. Pure: arrays in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from seodang.gate.statistics import Floats, group_differences

_SIGNS_PER_CHUNK = 1_000_000  # in memory at a time, 8 MB
_TOLERANCE = 1e-12  # rounding error of equal sums


def is_binary(*scores: Floats) -> bool:
    """Return whether all scores are 0 or 1."""
    return all(bool(np.isin(values, (0.0, 1.0)).all()) for values in scores)


def compute_paired_p(
    candidate: Floats, reference: Floats, *, seed: int, resamples: int, groups: Sequence[str] | None = None
) -> float:
    """Return the two-sided p-value of equal accuracy, from which binary models differ by chance alone.

    Independent items: McNemar's exact test. Under the null hypothesis each model wins half of the items that only one of
    them answers correctly (McNemar 1947, Psychometrika 12:153-157, with the binomial distribution). Items in groups: the
    sign of each group's sum of differences is random, as in the paired permutation test (Good 2005, Permutation,
    Parametric and Bootstrap Tests of Hypotheses, section 3.5).

    Args:
        candidate: 0 or 1 per item.
        reference: The same items in the same order.
        seed: Of the permutations.
        resamples: Number of permutations.
        groups: Name of each item's group; None if items are independent.
    """
    grouped = group_differences(candidate - reference, groups)
    if len(grouped) == len(candidate):
        wins, losses = int((candidate > reference).sum()), int((candidate < reference).sum())
        return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    sums = grouped.sums[grouped.sums != 0]
    rng = np.random.default_rng(seed)
    rows = max(1, _SIGNS_PER_CHUNK // max(1, len(sums)))
    beyond = 0
    for start in range(0, resamples, rows):
        signs = rng.integers(0, 2, (min(rows, resamples - start), len(sums))) * 2.0 - 1.0
        beyond += int((np.abs(signs @ sums) >= abs(sums.sum()) - _TOLERANCE).sum())
    return (1 + beyond) / (1 + resamples)


def compute_tango_p(candidate: Floats, reference: Floats, *, margin: float) -> float:
    """Return the two-sided p-value of a difference in accuracy equal to `margin`, from the score test of paired data.

    Unlike the bootstrap it knows that items on which the models differ may be missing from the sample. Source: Tango
    (1998, Statistics in Medicine 17:891-908), equations 4 to 6.

    Args:
        candidate: 0 or 1 per item.
        reference: The same items in the same order.
        margin: Candidate's accuracy minus the reference's.
    """
    count = len(candidate)
    wins, losses = int((candidate > reference).sum()), int((candidate < reference).sum())
    linear = -wins - losses + (2 * count - wins + losses) * margin
    constant = -losses * margin * (1 - margin)
    losing = (math.sqrt(max(0.0, linear**2 - 8 * count * constant)) - linear) / (4 * count)
    variance = count * (2 * losing + margin * (1 - margin))
    if variance <= _TOLERANCE:
        return 1.0
    return float(2 * stats.norm.sf(abs(wins - losses - count * margin) / math.sqrt(variance)))
