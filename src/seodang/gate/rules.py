"""Kinds of gate rules, and the result of a rule on one group of items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from seodang.i18n import Message

TestName = Literal["superiority", "non_inferiority"]
Obstacle = Literal["equal", "items", "groups", "shape", "inherited", "used_up"]
"""equal: no item differs; items, groups: too few; shape: too few for differences as skewed as these; inherited: earlier
candidates, selected on these items, explain the difference; used_up: no level is left on these items."""


class RuleKind(ABC):
    """The meaning of a rule's `test`."""

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


def describe_subject(metric: str, tasks: Sequence[str], group: str) -> str:
    """Return what a rule compares: the metric, the task of a rule about a single task, and the group, if any."""
    task = f" {tasks[0]}" if len(tasks) == 1 and tasks[0] != group else ""
    return f"{metric}{task} [{group}]" if group else f"{metric}{task}"


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
    tasks: tuple[str, ...]
    """Tasks that the rule names; empty for all tasks of the test split."""
    group: str
    """Language or task of a rule with `group_by`, else empty."""
    margin: float
    items: int
    independent_groups: int
    """Groups of items that do not depend on each other; as many as items where all are independent."""
    judgement: int
    """Number of this judgement on these items, from 1."""
    confidence: float
    """Of the interval; higher than gate.confidence from the second judgement on."""
    candidate: float
    """Mean score, sign unchanged."""
    reference: float
    """Mean score, sign unchanged."""
    difference: float
    low: float | None
    """Lower end of the interval; None with a single group."""
    high: float | None
    p: float
    """Two-sided p-value of a difference at the bound; a rule is met at 1 - confidence."""
    p_exact: float | None
    """Of the exact test of binary scores, where there is one; `p` is at least as large."""
    p_holm: float
    """With Holm's correction over all tests; a rule is not met at 1 - gate.confidence."""
    p_inherited: float | None
    """One-sided p-value of the part that earlier candidates do not explain; None without earlier candidates."""
    required_items: int | None
    """Estimated items that decide the rule; None where it is decided, or where no number of items decides it."""
    obstacle: Obstacle | None
    """Why a rule is undecided though its interval lies beyond the bound, or that no item differs."""
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
