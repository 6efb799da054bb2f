"""The tests of the rules and thresholds before they run: their items, references and names. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from seodang.config import GateParams, RuleParams, ThresholdParams
from seodang.gate.comparisons import Comparison, group_pairs, select_references
from seodang.gate.item_sets import compute_multisets
from seodang.gate.judgement import compute_checksum, name_test, name_threshold
from seodang.gate.rules import describe_subject
from seodang.gate.scores import Pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTest:
    """A test of a rule or a threshold before it runs."""

    rule: int
    """Index among the rules, or among the thresholds."""
    bound: RuleParams | ThresholdParams
    name: str
    against: str
    group: str
    pairs: Pairs
    multisets: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """Return what the test compares."""
        return describe_subject(self.bound.metric, self.bound.tasks, self.group)

    @property
    def reference(self) -> str:
        """Return the checksum of the reference; a threshold has none."""
        return compute_checksum(self.pairs.reference) if isinstance(self.bound, RuleParams) else ""


def plan_tests(
    gate: GateParams, comparisons: Mapping[str, Sequence[Comparison]], first: Mapping[str, Pairs]
) -> list[PlannedTest]:
    """Return the tests of all rules, then those of all thresholds.

    Args:
        gate: Rules and thresholds.
        comparisons: References by kind, without items that cannot be compared.
        first: Scores by metric of all items, for thresholds.
    """
    plans = [
        plan
        for index, rule in enumerate(gate.rules)
        for plan in _plan_rule(index, rule, comparisons.get(rule.against, []))
    ]
    plans += [_plan_threshold(index, threshold, first) for index, threshold in enumerate(gate.thresholds)]
    return [replace(plan, multisets=_compute_multisets(plan, comparisons, first)) for plan in plans]


def _plan_rule(rule_index: int, rule: RuleParams, comparisons: Sequence[Comparison]) -> list[PlannedTest]:
    groups = [
        (name, group_pairs(rule, pairs[rule.metric].select(tasks=rule.tasks)))
        for name, pairs in comparisons
        if rule.metric in pairs  # the baseline lacks a metric that no task has a baseline for
    ]
    if not groups:
        return []
    return [
        PlannedTest(
            rule=rule_index, bound=rule, name=name_test(rule, name, group), against=name, group=group, pairs=pairs
        )
        for group, pairs in groups[0][1].items()  # all references have the same items, and so the same groups
        if len(pairs)
        for name, pairs in select_references([(name, by_group[group]) for name, by_group in groups], sign=rule.sign)
    ]


def _compute_multisets(
    plan: PlannedTest, comparisons: Mapping[str, Sequence[Comparison]], first: Mapping[str, Pairs]
) -> tuple[str, ...]:
    """Return the multisets of a test; the base's prompts have none together, because each item has another one."""
    if not isinstance(plan.bound, RuleParams):
        return compute_multisets(plan.pairs, first)
    references = comparisons.get(plan.bound.against, [])
    by_metric = next((pairs for name, pairs in references if name == plan.against and plan.bound.against != "base"), {})
    return compute_multisets(plan.pairs, by_metric)


def _plan_threshold(index: int, threshold: ThresholdParams, pairs: Mapping[str, Pairs]) -> PlannedTest:
    selected = pairs[threshold.metric].select(tasks=threshold.tasks)
    return PlannedTest(
        rule=index, bound=threshold, name=name_threshold(threshold), against="", group="", pairs=selected
    )
