"""Evidence that one of two versions has the lower mean, valid however often one looks. Pure: counts in, numbers out.

A bettor starts with 1 and bets, observation by observation, that the mean of a version lies above m. If it does not,
the wealth is a nonnegative supermartingale, and Ville's inequality bounds the probability that it ever reaches 1 /
alpha by alpha. Source: Waudby-Smith and Ramdas (2024, Estimating means of bounded random variables by betting, Journal
of the Royal Statistical Society B 86:1-27, arXiv 2010.09686). The bets are constant fractions of the wealth, spread
over a grid: the method of mixtures of Howard, Ramdas, McAuliffe and Sekhon (2021, Time-uniform, nonparametric,
nonasymptotic confidence sequences, Annals of Statistics 49:1055-1080, arXiv 1810.08240).

Two versions: one bettor bets that the mean of the reference lies above m, another that the mean of the candidate lies
below m - margin. If the candidate is not worse by more than the margin, neither can expect to gain at m = mean of the
reference. So the product of their wealth, at the m where it is smallest, is an e-process: its expectation is at most 1
at any time.

Constant bets make the wealth independent of the order of observations. Counters of a running service are therefore
enough, and a restarted observer continues from counts alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_FRACTIONS: Final = 1 / (1 + np.exp(-np.linspace(-5.0, 3.0, 17)))  # of the wealth that is bet, 0.007 to 0.95
_SMALLEST_MEAN: Final = 1e-12
_GOLDEN: Final = (math.sqrt(5) - 1) / 2
_SEARCH_STEPS: Final = 60  # leave 3e-13 of the range of means
_INTERVAL_STEPS: Final = 20  # leave 2e-6 of the range of differences


@dataclass(frozen=True, slots=True)
class Observations:
    """How often a version gave each value."""

    values: Floats
    """Distinct values from 0 to 1, shape (V,); 0 and 1 for a rate."""
    counts: Floats
    """Of each value, shape (..., V); leading axes are independent experiments."""

    def compute_number(self) -> Floats:
        """Return the number of observations, shape (...)."""
        return np.asarray(self.counts.sum(-1), float)

    def compute_mean(self) -> Floats:
        """Return the mean, shape (...); NaN without observations."""
        number = self.compute_number()
        return np.divide(self.counts @ self.values, number, out=np.full_like(number, np.nan), where=number > 0)


def spare_worst(observations: Observations) -> Observations:
    """Return the observations with the worst one counted as the best, so that no single one decides.

    Evidence that a mean is low only becomes less by this, so it stays valid.
    """
    counts = observations.counts.copy()
    worst, best = np.argmin(observations.values), np.argmax(observations.values)
    spared = np.minimum(counts[..., worst], 1.0)
    counts[..., worst] -= spared
    counts[..., best] += spared
    return Observations(observations.values, counts)


def build_rate(successes: Floats | float, number: Floats | float) -> Observations:
    """Return the observations of a rate.

    Args:
        successes: At most `number`.
        number: Of observations.
    """
    good, total = np.asarray(successes, float), np.asarray(number, float)
    return Observations(np.array([0.0, 1.0]), np.stack([total - good, good], axis=-1))


def compute_log_evidence(reference: Observations, candidate: Observations, margin: float) -> Floats:
    """Return the logarithm of the evidence that the candidate's mean is lower by more than the margin.

    Args:
        reference: Of the version that answers today.
        candidate: Of the version that is compared with it.
        margin: Difference that is still acceptable, -1 to 1.

    Returns:
        Logarithms of an e-value, shape (...). If the candidate is not worse by more than the margin, one ever reaches
        log(1 / alpha) with a probability of at most alpha.
    """
    shape = np.broadcast_shapes(reference.counts.shape[:-1], candidate.counts.shape[:-1])

    def compute(mean: Floats) -> Floats:
        return compute_log_product(reference, candidate, margin, mean)

    return _minimize_convex(compute, np.zeros(shape), np.full(shape, min(1.0, 1.0 + margin)))


def compute_log_product(reference: Observations, candidate: Observations, margin: float, mean: Floats) -> Floats:
    """Return the logarithm of both bettors' wealth if the reference had a given mean: an upper bound of the evidence.

    It is convex in the mean, because each factor of the wealth is.

    Args:
        reference: As in compute_log_evidence.
        candidate: As in compute_log_evidence.
        margin: As in compute_log_evidence.
        mean: Of the reference, 0 to 1; shape (...).
    """
    above = compute_log_wealth(reference.values, reference.counts, mean)
    below = compute_log_wealth(1 - candidate.values, candidate.counts, 1 - np.clip(mean - margin, 0.0, 1.0))
    return above + below


def compute_difference_interval(
    reference: Observations, candidate: Observations, confidence: float
) -> tuple[float, float]:
    """Return a confidence sequence of mean(candidate) - mean(reference): the interval holds at all looks together.

    Args:
        reference: Of one experiment.
        candidate: Of the same experiment.
        confidence: Probability that the true difference lies in the interval at every look, 0 to 1.
    """
    threshold = math.log(2 / (1 - confidence))
    gain = find_excluded_margin(lambda margin: compute_log_evidence(candidate, reference, margin), threshold)
    drop = find_excluded_margin(lambda margin: compute_log_evidence(reference, candidate, margin), threshold)
    return gain, -drop


def find_excluded_margin(compute: Callable[[float], Floats], threshold: float) -> float:
    """Return the largest margin, -1 to 1, whose evidence reaches a threshold.

    Args:
        compute: Returns the logarithm of the evidence for a margin; it falls with the margin.
        threshold: A logarithm.
    """
    low, high = -1.0, 1.0
    for _ in range(_INTERVAL_STEPS):
        middle = (low + high) / 2
        if compute(middle) >= threshold:
            low = middle
        else:
            high = middle
    return low


def compute_log_wealth(values: Floats, counts: Floats, mean: Floats) -> Floats:
    """Return the logarithm of the wealth of bets that the mean of the values lies above a given one.

    Args:
        values: From 0 to 1, shape (V,).
        counts: Of each value, shape (..., V).
        mean: 0 to 1; shape (...).
    """
    odds = values / np.maximum(mean, _SMALLEST_MEAN)[..., None]
    gains = np.log1p(_FRACTIONS[:, None] * (odds[..., None, :] - 1))
    by_fraction = (gains * counts[..., None, :]).sum(-1)
    return np.asarray(np.logaddexp.reduce(by_fraction, axis=-1) - math.log(len(_FRACTIONS)))


def _minimize_convex(function: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Return the minimum of a convex function of each element, by golden-section search."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(_SEARCH_STEPS):
        is_left = at_left <= at_right
        low, high = np.where(is_left, low, left), np.where(is_left, right, high)
        probe = np.where(is_left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        at_probe = function(probe)
        left, right = np.where(is_left, probe, right), np.where(is_left, left, probe)
        at_left, at_right = np.where(is_left, at_probe, at_right), np.where(is_left, at_left, at_probe)
    return np.minimum(at_left, at_right)
