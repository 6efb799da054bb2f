"""The tests of the rules and thresholds before they run: their items, references and names. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seodang.config import GateParams, RuleParams, ThresholdParams
from seodang.gate.comparisons import Comparison, group_pairs, list_variants
from seodang.gate.item_sets import compute_multisets
from seodang.gate.judgement import compute_checksum, name_test, name_threshold
from seodang.gate.rules import describe_subject
from seodang.gate.scores import Pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTest:
    """A test of a rule or a threshold before it runs.

    A rule that compares with several prompts of the base is one test: it is met if the candidate is better than each.
    """

    rule: int
    """Index among the rules, or among the thresholds."""
    bound: RuleParams | ThresholdParams
    name: str
    group: str
    variants: tuple[tuple[str, Pairs], ...]
    """Name of each variant of the reference with its pairs, of the same items; a threshold has one without a name."""
    multisets: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """Return what the test compares."""
        return describe_subject(self.bound.metric, self.bound.tasks, self.group)

    @property
    def pairs(self) -> Pairs:
        """Return the pairs with the first variant; the items and the candidate's scores are those of all."""
        return self.variants[0][1]

    @property
    def reference(self) -> str:
        """Return the checksum of all variants of the reference; a threshold has none."""
        if not isinstance(self.bound, RuleParams):
            return ""
        return compute_checksum(np.concatenate([pairs.reference for _name, pairs in self.variants]))


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
            rule=rule_index,
            bound=rule,
            name=name_test(rule, variants[0][0], group),
            group=group,
            variants=tuple(variants),
        )
        for group, pairs in groups[0][1].items()  # all references have the same items, and so the same groups
        if len(pairs)
        for variants in list_variants([(name, by_group[group]) for name, by_group in groups])
    ]


def _compute_multisets(
    plan: PlannedTest, comparisons: Mapping[str, Sequence[Comparison]], first: Mapping[str, Pairs]
) -> tuple[str, ...]:
    """Return the multisets of a test; the base's prompts have none, because the pipeline knows its items by content."""
    if not isinstance(plan.bound, RuleParams):
        return compute_multisets(plan.pairs, first)
    references = comparisons.get(plan.bound.against, [])
    against, _pairs = plan.variants[0]
    by_metric = next((pairs for name, pairs in references if name == against and plan.bound.against != "base"), {})
    return compute_multisets(plan.pairs, by_metric)


def _plan_threshold(index: int, threshold: ThresholdParams, pairs: Mapping[str, Pairs]) -> PlannedTest:
    selected = pairs[threshold.metric].select(tasks=threshold.tasks)
    return PlannedTest(
        rule=index, bound=threshold, name=name_threshold(threshold), group="", variants=(("", selected),)
    )
