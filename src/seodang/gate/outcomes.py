"""Outcomes of the tests of all rules: met, not met, or undecided with the number of items that would decide. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seodang.config import GateParams
from seodang.gate.judgement import OLD_SHARE
from seodang.gate.ledger import count_fresh_items
from seodang.gate.power import estimate_joint_scale, estimate_rejection_scale
from seodang.gate.rule_test import RuleTest
from seodang.gate.rules import RuleResult
from seodang.gate.shape import compute_shape_minimum, compute_unseen_share
from seodang.gate.statistics import MINIMUM_GROUPS, adjust_holm
from seodang.gate.variant_tests import VariantTests

_MOST_ITEMS = 1_000_000  # nobody collects more test items


def decide_tests(tests: Sequence[VariantTests], gate: GateParams) -> list[RuleResult]:
    """Return the result of each test with its outcome: that of the variant of its reference that decides it.

    All tests must be met for a promotion, against each variant. Such a combination keeps the level of the single test
    without a correction and under any dependence (Berger 1982, Technometrics 24:295-300). One violated test rejects, so
    violations are tested with Holm's correction.
    """
    corrected = adjust_holm([test.selected.result.p for test in tests])
    decided = [decide_variants(test, p, gate) for test, p in zip(tests, corrected, strict=True)]
    results = iter(_add_required_items([test for variants in decided for test in variants], len(tests), gate))
    return [_select_deciding([(test, next(results)) for test in variants]) for variants in decided]


def _select_deciding(variants: Sequence[tuple[RuleTest, RuleResult]]) -> RuleResult:
    """Return the result that is the outcome of all: a violated one, else an undecided one, else one that is met.

    Of several such variants it is the one with the least evidence for the candidate: the lowest t statistic.
    """
    order = (False, None, True)
    _test, deciding = min(variants, key=lambda each: (order.index(each[1].passed), each[0].t))
    return deciding


def decide_variants(tests: VariantTests, p_holm: float, gate: GateParams) -> list[RuleTest]:
    """Return the tests against each variant with their outcomes.

    A variant is violated only if the variants that were selected on earlier items are violated too: the worst of many
    variants is below the bound by chance.

    Args:
        tests: One test.
        p_holm: Corrected p-value of the test against the selected variants.
        gate: Parameters.
    """
    selected = replace(tests.selected, result=replace(tests.selected.result, p_holm=p_holm))
    outcome = decide_result(selected.result, selected, gate)
    decided = []
    for test in tests.variants:
        result = replace(test.result, p_holm=max(p_holm, test.result.p))
        result = decide_result(result, test, gate, may_be_violated=_is_violated(selected, gate))
        if result.passed is False and outcome.passed is not False:
            result = replace(result, passed=None, obstacle=outcome.obstacle)
        decided.append(replace(test, result=result))
    return decided


def decide_result(result: RuleResult, test: RuleTest, gate: GateParams, *, may_be_violated: bool = True) -> RuleResult:
    """Return the result of a test with its outcome; `p_holm` is the corrected p-value already."""
    if result.low is None or result.high is None:
        return replace(result, obstacle="items")
    is_met = result.low > result.bound and result.p <= 2 * test.reuse.tail
    is_violated = may_be_violated and _is_violated(replace(test, result=result), gate)
    if test.reuse.is_used_up and not is_violated:
        return replace(result, obstacle="used_up")
    if not (is_met or is_violated):
        return replace(result, obstacle=None if np.any(test.grouped.sums) else "equal")
    if is_violated:
        result = replace(result, low=test.plain.low, high=test.plain.high, confidence=gate.confidence)
    elif result.p_inherited is not None and result.p_inherited > test.reuse.tail:
        return replace(result, obstacle="inherited")
    if result.items < gate.minimum_items:
        return replace(result, obstacle="items")
    if test.grouped.effective_groups < min(MINIMUM_GROUPS, result.items):
        return replace(result, obstacle="groups")
    if not _has_enough_for_shape(test, side=1 if is_met else -1):
        return replace(result, obstacle="shape")
    return replace(result, passed=bool(is_met))


def _is_violated(test: RuleTest, gate: GateParams) -> bool:
    result = test.result
    return result.kind.is_violated(test.plain.high, result.bound) and result.p_holm <= 1 - gate.confidence


def _has_enough_for_shape(test: RuleTest, *, side: int) -> bool:
    """Return whether the interval can be trusted, or the outcome holds for any unseen items."""
    result = test.result
    assert result.low is not None
    assert result.high is not None
    if result.independent_groups >= compute_shape_minimum(test.grouped, side=side, is_binary=test.is_binary):
        return True
    if not test.value_range:
        return False  # one score everywhere shows no range
    end = (result.low if side > 0 else result.high) - result.bound
    unseen = compute_unseen_share(count=result.independent_groups, confidence=result.confidence)
    return side * end * (1 - unseen) > unseen * test.value_range


def _add_required_items(tests: Sequence[RuleTest], rejections: int, gate: GateParams) -> list[RuleResult]:
    """Return the results; undecided ones with the number of items that would decide them.

    Rules whose difference is on the right side of their bound must all be met. So their number of items is that of the
    joint test, at the level of the next judgement. A rule on the wrong side has the number that rejects. Where items
    are used up, it is that of fresh items.

    Args:
        tests: Against each variant of each reference.
        rejections: Number of tests that share the level of a rejection.
        gate: Parameters.
    """
    favourable = [test for test in tests if test.distance > 0]
    joint = estimate_joint_scale([test.build_effect(2 * test.reuse.next_tail) for test in favourable], gate.power)
    fresh = estimate_joint_scale([test.build_effect(1 - gate.confidence) for test in favourable], gate.power)
    results = []
    for test in tests:
        result = test.result
        if result.obstacle in ("inherited", "used_up"):
            result = replace(result, required_items=_estimate_fresh_items(test, fresh, gate))
        elif result.passed is None:
            scale = _select_scale(joint, fresh)
            if test.distance <= 0:
                rejection = test.build_effect((1 - gate.confidence) / rejections)
                scale = estimate_rejection_scale(rejection, gate.power)
            result = replace(result, required_items=_estimate_items(test, scale, gate))
        results.append(result)
    return results


def _select_scale(grown: float | None, fresh: float | None) -> float | None:
    """Return the factor for a set that keeps these items, or makes them at most 10 % of it and so is fresh."""
    if fresh is None:
        return None
    diluted = max(fresh, 1 / OLD_SHARE)
    return diluted if grown is None else min(grown, diluted)


def _estimate_items(test: RuleTest, scale: float | None, gate: GateParams) -> int | None:
    result = test.result
    if scale is None or result.obstacle == "equal":
        return None
    needed = math.ceil(scale * result.items)
    if result.obstacle == "shape":
        groups = compute_shape_minimum(test.grouped, side=1 if test.distance > 0 else -1, is_binary=test.is_binary)
        needed = max(needed, math.ceil(groups * result.items / result.independent_groups))
    if result.obstacle == "groups":
        needed = max(needed, math.ceil(MINIMUM_GROUPS * result.items / test.grouped.effective_groups))
    needed = max(needed, gate.minimum_items, result.items + 1)
    return needed if needed <= _MOST_ITEMS else None


def _estimate_fresh_items(test: RuleTest, scale: float | None, gate: GateParams) -> int:
    """Return how many items that no candidate was judged on would decide a rule."""
    return max(count_fresh_items([test.keys]), math.ceil((scale or 0.0) * test.result.items), gate.minimum_items)
