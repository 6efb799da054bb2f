"""One test of a rule: the statistics of one group of items against one reference. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seodang.config import GateParams, RuleParams
from seodang.gate.exact_tests import compute_paired_p, compute_tango_p, is_binary
from seodang.gate.power import Effect, estimate_joint_scale, estimate_rejection_scale
from seodang.gate.rules import RULE_KINDS, RuleResult
from seodang.gate.scores import Pairs
from seodang.gate.statistics import (
    GroupedDifferences,
    adjust_holm,
    compute_paired_bootstrap,
    compute_shape_minimum,
    compute_unseen_share,
    group_differences,
)

_MINIMUM_GROUPS = 10  # of dependent items: the spread between fewer groups is not known well enough


@dataclass(frozen=True, slots=True)
class RuleTest:
    """A rule on one group of items against one reference, with what its outcome depends on."""

    result: RuleResult
    grouped: GroupedDifferences
    group_names: tuple[str, ...]
    """Of each entry of `grouped`."""
    value_range: float
    """Largest minus smallest score."""

    @property
    def distance(self) -> float:
        """Return the mean difference less the bound."""
        return self.result.difference - self.result.bound

    def build_effect(self, significance: float) -> Effect:
        """Return what the power of the test depends on."""
        influence = self.grouped.residuals / self.grouped.sizes.sum()
        return Effect(
            self.distance,
            self.grouped.standard_error if len(self.grouped) > 1 else 0.0,
            dict(zip(self.group_names, influence.tolist(), strict=True)),
            significance,
        )


def run_test(
    rule_index: int, rule: RuleParams, against: str, group: str, pairs: Pairs, gate: GateParams, confidence: float
) -> RuleTest:
    """Return the statistics of one test; its outcome is open.

    Args:
        rule_index: Among the rules.
        rule: Rule.
        against: Name of the reference.
        group: Language or task of a rule with `group_by`, else empty.
        pairs: Scores of both models.
        gate: Seed and number of resamples.
        confidence: Of the interval.
    """
    differences = rule.sign * (pairs.candidate - pairs.reference)
    groups = pairs.group_names
    grouped = group_differences(differences, groups)
    bound = RULE_KINDS[rule.test].compute_bound(rule.margin)
    bootstrap = compute_paired_bootstrap(
        differences, margin=bound, seed=gate.seed, resamples=gate.resamples, confidence=confidence, groups=groups
    )
    p_exact = _compute_exact_p(pairs, groups, sign=rule.sign, bound=bound, gate=gate)
    p = bootstrap.p if p_exact is None else max(bootstrap.p, p_exact)
    has_interval = len(grouped) > 1
    result = RuleResult(
        rule=rule_index,
        against=against,
        test=rule.test,
        metric=rule.metric,
        tasks=tuple(rule.tasks),
        group=group,
        margin=rule.margin,
        items=len(pairs),
        independent_groups=len(grouped),
        confidence=confidence,
        candidate=float(pairs.candidate.mean()),
        reference=float(pairs.reference.mean()),
        difference=bootstrap.difference,
        low=bootstrap.low if has_interval else None,
        high=bootstrap.high if has_interval else None,
        p=p,
        p_exact=p_exact,
        p_holm=p,
        required_items=None,
        obstacle=None,
        passed=None,
    )
    scores = np.concatenate([pairs.candidate, pairs.reference])
    return RuleTest(result, grouped, tuple(dict.fromkeys(groups)), float(scores.max() - scores.min()))


def _compute_exact_p(
    pairs: Pairs, groups: Sequence[str], *, sign: float, bound: float, gate: GateParams
) -> float | None:
    """Return the p-value of binary scores; None where there is no such test."""
    if not is_binary(pairs.candidate, pairs.reference):
        return None
    if not bound:
        return compute_paired_p(
            pairs.candidate, pairs.reference, seed=gate.seed, resamples=gate.resamples, groups=groups
        )
    if len(set(groups)) < len(groups):
        return None
    return compute_tango_p(sign * pairs.candidate, sign * pairs.reference, margin=bound)


def decide_tests(tests: Sequence[RuleTest], gate: GateParams) -> list[RuleResult]:
    """Return the results with their outcomes.

    All tests must be met for a promotion, and such a combination keeps the level of the single test without a
    correction (Berger 1982, Technometrics 24:295-300). One violated test rejects, so violations are tested with Holm's
    correction.
    """
    corrected = adjust_holm([test.result.p for test in tests])
    decided = [
        replace(test, result=_decide_result(replace(test.result, p_holm=p), test, gate))
        for test, p in zip(tests, corrected, strict=True)
    ]
    return _add_required_items(decided, gate)


def _decide_result(result: RuleResult, test: RuleTest, gate: GateParams) -> RuleResult:
    if result.low is None or result.high is None:
        return replace(result, obstacle="items")
    significance = 1 - gate.confidence
    is_met = result.low > result.bound and result.p <= 1 - result.confidence
    is_violated = result.kind.is_violated(result.high, result.bound) and result.p_holm <= significance
    if not (is_met or is_violated):
        return replace(result, obstacle=None if np.any(test.grouped.sums) else "equal")
    if result.items < gate.minimum_items:
        return replace(result, obstacle="items")
    if result.independent_groups < min(_MINIMUM_GROUPS, result.items):
        return replace(result, obstacle="groups")
    if not _has_enough_for_shape(test, side=1 if is_met else -1):
        return replace(result, obstacle="shape")
    return replace(result, passed=bool(is_met))


def _has_enough_for_shape(test: RuleTest, *, side: int) -> bool:
    """Return whether the interval can be trusted, or the outcome holds whatever the unseen items are."""
    result = test.result
    assert result.low is not None
    assert result.high is not None
    if result.independent_groups >= compute_shape_minimum(test.grouped, side=side):
        return True
    end = (result.low if side > 0 else result.high) - result.bound
    unseen = compute_unseen_share(count=result.independent_groups, confidence=result.confidence)
    return side * end * (1 - unseen) > unseen * test.value_range


def _add_required_items(tests: Sequence[RuleTest], gate: GateParams) -> list[RuleResult]:
    """Return the results; undecided ones with the number of items that would decide them.

    Rules whose difference is on the right side of their bound must all be met, so their number of items is that of the
    joint test. A rule on the wrong side has the number that rejects.
    """
    favourable = [test for test in tests if test.distance > 0]
    effects = [test.build_effect(1 - test.result.confidence) for test in favourable]
    joint = estimate_joint_scale(effects, gate.power)
    results = []
    for test in tests:
        result = test.result
        if result.passed is None:
            is_favourable = test.distance > 0
            rejection = test.build_effect((1 - gate.confidence) / len(tests))
            scale = joint if is_favourable else estimate_rejection_scale(rejection, gate.power)
            result = replace(result, required_items=_estimate_items(test, scale, gate))
        results.append(result)
    return results


def _estimate_items(test: RuleTest, scale: float | None, gate: GateParams) -> int | None:
    result = test.result
    if scale is None or result.obstacle == "equal":
        return None
    needed = math.ceil(scale * result.items)
    if result.obstacle == "shape":
        groups = compute_shape_minimum(test.grouped, side=1 if test.distance > 0 else -1)
        needed = max(needed, math.ceil(groups * result.items / result.independent_groups))
    if result.obstacle == "groups":
        needed = max(needed, math.ceil(_MINIMUM_GROUPS * result.items / result.independent_groups))
    return max(needed, gate.minimum_items, result.items + 1)
