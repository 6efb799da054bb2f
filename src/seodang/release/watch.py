"""Watch a candidate in service, and end its canary once: roll back when it is worse, or keep it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from seodang.canary.decision import CanaryDecision, ScoreComparison, ScoreSummary, decide, summarize_score
from seodang.release.online_scores import SCORES, Counters, Tally
from seodang.release.router import ARMS, Arm

ReadCounters = Callable[[Arm], Counters]
"""Reads the counters of one arm."""
_SHOWN_DIGITS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLimits:
    """What a candidate may lose in one score."""

    margin: float
    """Drop that is still acceptable; 0 to 1."""
    tolerance: float
    """Drop below which the candidate is kept; above the margin, at most 1."""


@dataclass(slots=True)
class CanaryWatch:
    """Compares two versions since the first look. Give the share of requests before it, and leave it as it is."""

    limits: Mapping[str, ScoreLimits]
    """Of the scores that are compared."""
    alpha: float
    """Probability of a false rollback, however often one looks."""
    tallies: dict[Arm, Tally] = field(default_factory=lambda: {arm: Tally() for arm in ARMS})

    def look(self, read: ReadCounters) -> CanaryDecision:
        """Read the counters of both arms and return the decision."""
        for arm in ARMS:
            self.tallies[arm].add(read(arm))
        return decide(self._build_comparisons(), self.alpha)

    def summarize(self) -> list[ScoreSummary]:
        """Return the scores that both arms have, with intervals."""
        return [
            summarize_score(each, self.alpha)
            for each in self._build_comparisons()
            if each.reference.compute_number() and each.candidate.compute_number()
        ]

    def _build_comparisons(self) -> list[ScoreComparison]:
        return [
            ScoreComparison(
                name=name,
                reference=self.tallies["reference"].get_observations(name),
                candidate=self.tallies["candidate"].get_observations(name),
                margin=self.limits[name].margin,
                tolerance=self.limits[name].tolerance,
            )
            for name in SCORES
            if name in self.limits
        ]


def format_reason(decision: CanaryDecision, summaries: list[ScoreSummary]) -> str:
    """Return why a candidate is rolled back, for the registry: English, because git stores it.

    It names the score with most evidence, its means, and the confidence sequence of their difference.
    """
    name = next(iter(decision.log_evidence_by_score))
    evidence = f"evidence {math.exp(min(decision.log_evidence, 700.0)):.3g}"
    for each in summaries:
        if each.name == name:
            difference = each.candidate_mean - each.reference_mean
            return (
                f"canary: {name} {each.reference_mean:.{_SHOWN_DIGITS}f} -> {each.candidate_mean:.{_SHOWN_DIGITS}f}, "
                f"{difference:+.{_SHOWN_DIGITS}f} [{each.low:+.{_SHOWN_DIGITS}f}, {each.high:+.{_SHOWN_DIGITS}f}] "
                f"after {each.candidate_number} requests, {evidence}"
            )
    return f"canary: {name}, {evidence}"
