"""The result of one gate rule, and the verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["promote", "reject", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One rule on some of the items: what was asked and what was found.

    Differences are candidate minus reference, turned so that more is better.
    """

    rule: int  # its place among the rules
    against: str
    test: Literal["superiority", "non_inferiority"]
    metric: str
    group: str  # "", or the language or task of a rule that asks for each
    margin: float
    items: int
    candidate: float  # means, as they are
    reference: float
    difference: float
    low: float | None  # of the interval; None with a single item
    high: float | None
    p: float  # two-sided, of a difference no better than the margin allows
    p_mcnemar: float | None  # where all scores are right or wrong
    p_holm: float
    required_items: int | None  # items that would decide it; None where it is decided, or where no number would
    passed: bool | None  # None: the data don't tell
