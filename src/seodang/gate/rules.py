"""Kinds of gate rules, and the result of a rule on one group of items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from seodang.i18n import Message

TestName = Literal["superiority", "non_inferiority"]


class RuleKind(ABC):
    """The meaning of a rule's `test`. All rules of a kind form one family for Holm's correction."""

    @abstractmethod
    def compute_bound(self, margin: float) -> float:
        """Return the difference that the interval must lie above, in the metric's unit; more is better."""

    @abstractmethod
    def is_violated(self, high: float, bound: float) -> bool:
        """Return whether the upper end of the interval shows that the rule does not hold."""

    @abstractmethod
    def describe_requirement(self, margin: float) -> Message:
        """Return the requirement as a clause of a reason."""

    @abstractmethod
    def describe_short(self, margin: float) -> Message:
        """Return the requirement in a few words, for tables."""


class Superiority(RuleKind):
    """The candidate must be better by more than the margin."""

    def compute_bound(self, margin: float) -> float:
        """Return the margin, with its sign for this kind."""
        return margin

    def is_violated(self, high: float, bound: float) -> bool:
        """Return whether the upper end does not exceed the bound."""
        return high <= bound

    def describe_requirement(self, margin: float) -> Message:
        """Return the requirement as a clause of a reason."""
        return Message("must be better by more than {margin:g}", {"margin": margin})

    def describe_short(self, margin: float) -> Message:
        """Return the requirement in a few words."""
        return Message("better by more than {margin:g}", {"margin": margin}) if margin else Message("better")


class NonInferiority(RuleKind):
    """The candidate may be worse by at most the margin."""

    def compute_bound(self, margin: float) -> float:
        """Return the margin, with its sign for this kind."""
        return -margin

    def is_violated(self, high: float, bound: float) -> bool:
        """Return whether the upper end lies below the bound."""
        return high < bound

    def describe_requirement(self, margin: float) -> Message:
        """Return the requirement as a clause of a reason."""
        return Message("may be worse by at most {margin:g}", {"margin": margin})

    def describe_short(self, margin: float) -> Message:
        """Return the requirement in a few words."""
        return Message("worse by at most {margin:g}", {"margin": margin}) if margin else Message("not worse")


RULE_KINDS: Final[Mapping[str, RuleKind]] = {"superiority": Superiority(), "non_inferiority": NonInferiority()}
"""By the value of `test` in a rule of params.yaml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """The result of one rule on a group of items.

    Differences are candidate minus reference, with the sign turned so that more is better.
    """

    rule: int
    """Index among the rules."""
    against: str
    test: TestName
    metric: str
    group: str
    """Language or task of a rule with `group_by`, else empty."""
    margin: float
    items: int
    candidate: float
    """Mean score, sign unchanged."""
    reference: float
    """Mean score, sign unchanged."""
    difference: float
    low: float | None
    """Lower end of the interval; None with a single item."""
    high: float | None
    p: float
    """Two-sided p-value of a difference at the bound."""
    p_mcnemar: float | None
    """Where all scores are 0 or 1 and the margin is 0."""
    p_holm: float
    required_items: int | None
    """Estimated items that decide the rule; None where it is decided, or where no number of items decides it."""
    passed: bool | None
    """None: the items do not decide the rule."""

    @property
    def kind(self) -> RuleKind:
        """Return the kind of the rule."""
        return RULE_KINDS[self.test]

    @property
    def bound(self) -> float:
        """Return the difference that the interval must lie above."""
        return self.kind.compute_bound(self.margin)
