"""Decide about a candidate that answers a share of the requests. Pure: scores of both versions in, a decision out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seodang.canary.evidence import Observations, compute_difference_interval, compute_log_evidence, spare_worst
from seodang.canary.pairs import PairCounts, compute_pair_interval, compute_pair_log_evidence

Verdict = Literal["worse", "not_worse", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreComparison:
    """One score of both versions; more is better."""

    name: str
    reference: Observations
    """Of the version that answers today."""
    candidate: Observations
    pairs: PairCounts | None = None
    """The same observations by pair, if both versions answered the same items; None: they answered different ones."""
    margin: float
    """Drop that is still acceptable; a larger one is worse. 0 to 1."""
    tolerance: float | None
    """Drop below which the candidate is not worse; above the margin, at most 1. None: the score can only show that the
    candidate is worse, as one that few requests have."""

    def compute_log_evidence_of_drop(self) -> float:
        """Return the logarithm of the evidence that the drop is larger than the margin.

        One bad answer of the candidate is spared: a single slow or failed request never decides.
        """
        if self.pairs is not None:
            return float(compute_pair_log_evidence(self.pairs.spare_one(), self.margin))
        return float(compute_log_evidence(self.reference, spare_worst(self.candidate), self.margin))

    def is_within_tolerance(self, threshold: float) -> bool:
        """Return whether the evidence that the drop is smaller than the tolerance reaches a threshold.

        Args:
            threshold: A logarithm. Without a tolerance the result is True.
        """
        if self.tolerance is None:
            return True
        if self.pairs is not None:
            return bool(compute_pair_log_evidence(self.pairs.swap(), -self.tolerance) >= threshold)
        return bool(compute_log_evidence(self.candidate, self.reference, -self.tolerance) >= threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryDecision:
    """A verdict, and what it is based on."""

    verdict: Verdict
    log_evidence: float
    """That any score is worse: the largest one of a score, less log(number of scores); `worse` from log(1 / alpha)
    on."""
    log_evidence_by_score: dict[str, float]
    """That a score is worse; the first one has most evidence."""


def decide(comparisons: Sequence[ScoreComparison], alpha: float) -> CanaryDecision:
    """Return the decision about a candidate; call it at any time, and as often as needed.

    Worse: the evidence of one score reaches (number of scores) / alpha, which is Bonferroni's correction. By Ville's
    inequality each score's evidence ever reaches it with a probability of at most alpha / (number of scores). The mean
    of the scores' evidence would not do: their observations come at different times (a rating comes later than the
    answer's end), and an average of e-processes is valid only if each is one for what all of them observe. Source: Choe
    and Ramdas (2024, Combining evidence across filtrations, arXiv 2402.09698).

    Not worse: each score with a tolerance has evidence of 1 / alpha that its drop is smaller. All of them must have it,
    so this needs no correction.

    Args:
        comparisons: One for each score, at least one of them with a tolerance. The list must not depend on what was
            observed.
        alpha: Probability of a false verdict `worse`, and of a false verdict `not_worse`; between 0 and 1.
    """
    threshold = math.log(1 / alpha)
    worse = {each.name: each.compute_log_evidence_of_drop() for each in comparisons}
    highest = max(worse.values()) - math.log(len(worse))
    verdict: Verdict = "undecided"
    if highest >= threshold:
        verdict = "worse"
    elif all(each.is_within_tolerance(threshold) for each in comparisons):
        verdict = "not_worse"
    ordered = dict(sorted(worse.items(), key=lambda item: -item[1]))
    return CanaryDecision(verdict=verdict, log_evidence=highest, log_evidence_by_score=ordered)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSummary:
    """A score as people read it."""

    name: str
    reference_mean: float
    candidate_mean: float
    reference_number: int
    candidate_number: int
    low: float
    """Lower bound of candidate - reference, valid at every look."""
    high: float
    """Upper bound."""


def summarize_score(comparison: ScoreComparison, alpha: float) -> ScoreSummary:
    """Return means, numbers and the confidence sequence of the difference.

    Args:
        comparison: Of one score; both versions have observations.
        alpha: Probability that the interval misses the true difference at any look.
    """
    if comparison.pairs is not None:
        low, high = compute_pair_interval(comparison.pairs, 1 - alpha)
    else:
        low, high = compute_difference_interval(comparison.reference, comparison.candidate, 1 - alpha)
    return ScoreSummary(
        name=comparison.name,
        reference_mean=float(comparison.reference.compute_mean()),
        candidate_mean=float(comparison.candidate.compute_mean()),
        reference_number=int(comparison.reference.compute_number()),
        candidate_number=int(comparison.candidate.compute_number()),
        low=low,
        high=high,
    )
