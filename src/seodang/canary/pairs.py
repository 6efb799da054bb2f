"""Evidence from pairs: both versions answer the same item, so that its difficulty cancels out. Pure.

The null hypothesis is about the mean of one bounded value, the difference within a pair. One bettor suffices; see
`evidence`. With a margin of 0 only pairs that differ move the wealth, as in McNemar's test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from seodang.canary.evidence import Floats, compute_log_wealth, find_excluded_margin

_VALUES: Final = np.array([1.0, 0.5, 0.0])  # (1 - difference) / 2 of a lost, an equal and a gained pair


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Items that both versions answered, by the difference of their answers; shape (...) each."""

    lost: Floats
    """Good answers of the reference alone."""
    equal: Floats
    """Both answers are good, or none is."""
    gained: Floats
    """Good answers of the candidate alone."""

    def swap(self) -> PairCounts:
        """Return the same pairs with the versions in each other's place."""
        return PairCounts(self.gained, self.equal, self.lost)

    def spare_one(self) -> PairCounts:
        """Return the pairs with one lost one counted as equal, so that no single one decides."""
        spared = np.minimum(self.lost, 1.0)
        return PairCounts(self.lost - spared, self.equal + spared, self.gained)


def compute_pair_log_evidence(pairs: PairCounts, margin: float) -> Floats:
    """Return the logarithm of the evidence that the candidate's mean is lower by more than the margin.

    Args:
        pairs: Of items that were drawn independently.
        margin: Difference that is still acceptable, -1 to 1.

    Returns:
        Logarithms of an e-value, shape (...), as in evidence.compute_log_evidence.
    """
    counts = np.stack([pairs.lost, pairs.equal, pairs.gained], axis=-1)
    return compute_log_wealth(_VALUES, counts, np.full(counts.shape[:-1], (1 + margin) / 2))


def compute_pair_interval(pairs: PairCounts, confidence: float) -> tuple[float, float]:
    """Return a confidence sequence of mean(candidate) - mean(reference): the interval holds at all looks together.

    Args:
        pairs: Of one experiment.
        confidence: Probability that the true difference lies in the interval at every look, 0 to 1.
    """
    threshold = math.log(2 / (1 - confidence))
    gain = find_excluded_margin(lambda margin: compute_pair_log_evidence(pairs.swap(), margin), threshold)
    drop = find_excluded_margin(lambda margin: compute_pair_log_evidence(pairs, margin), threshold)
    return gain, -drop
