"""Decide about a candidate that answers a share of the requests. Pure: scores of both versions in, a decision out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seodang.canary.evidence import Observations, compute_difference_interval, compute_log_evidence

Verdict = Literal["worse", "not_worse", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreComparison:
    """One score of both versions; more is better."""

    name: str
    reference: Observations
    """Of the version that answers today."""
    candidate: Observations
    margin: float
    """Drop that is still acceptable; a larger one is worse. 0 to 1."""
    tolerance: float
    """Drop below which the candidate is not worse; above the margin, at most 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryDecision:
    """A verdict, and what it is based on."""

    verdict: Verdict
    log_evidence: float
    """That any score is worse; the verdict is `worse` from log(1 / alpha) on."""
    log_evidence_by_score: dict[str, float]
    """That a score is worse; the first one has most."""


def decide(comparisons: Sequence[ScoreComparison], alpha: float) -> CanaryDecision:
    """Return the decision about a candidate; call it at any time, and as often as needed.

    Worse: the mean of the scores' e-values reaches 1 / alpha. The mean of e-values is an e-value, however the scores
    depend on each other, so no further correction is needed. Source: Vovk and Wang (2021, E-values: Calibration,
    combination and applications, Annals of Statistics 49:1736-1754, arXiv 1912.06116).

    Not worse: each score on its own has evidence of 1 / alpha that its drop is below the tolerance. All of them must
    have it, so this needs no correction either.

    Args:
        comparisons: One for each score, at least one. The list must not depend on what was observed.
        alpha: Probability of a false verdict `worse`, and of a false verdict `not_worse`; between 0 and 1.
    """
    threshold = math.log(1 / alpha)
    worse = {
        each.name: float(compute_log_evidence(each.reference, each.candidate, each.margin)) for each in comparisons
    }
    joint = float(np.logaddexp.reduce(list(worse.values())) - math.log(len(worse)))
    verdict: Verdict = "undecided"
    if joint >= threshold:
        verdict = "worse"
    elif all(
        compute_log_evidence(each.candidate, each.reference, -each.tolerance) >= threshold for each in comparisons
    ):
        verdict = "not_worse"
    ordered = dict(sorted(worse.items(), key=lambda item: -item[1]))
    return CanaryDecision(verdict=verdict, log_evidence=joint, log_evidence_by_score=ordered)


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
