"""The gate: a pure decision from paired per-item scores, with its reasons.

Each rule is a test on the same items, or one for each language or task. A rule of the kind "superiority" holds when the interval
of the difference lies above its margin and the p-value, corrected for the number of such tests (Holm), is below 1 - confidence;
one of the kind "not worse" likewise with the margin below zero. A rule is broken when the interval lies wholly on the wrong
side. In between the data don't tell. One broken rule rejects; one that isn't told leaves the verdict open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seodang.config import GateParams, RuleParams, ThresholdParams
from seodang.errors import EvaluationError
from seodang.gate import messages
from seodang.gate.messages import Reason
from seodang.gate.rules import RuleResult, Verdict
from seodang.gate.scores import Pairs
from seodang.gate.statistics import (
    adjust_holm,
    compute_mcnemar_exact,
    compute_paired_bootstrap,
    estimate_required_items,
    is_binary,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict with everything that it rests on."""

    verdict: Verdict
    reasons: list[Reason]
    results: list[RuleResult]


def decide(comparisons: Mapping[str, Sequence[tuple[str, Mapping[str, Pairs]]]], gate: GateParams) -> Decision:
    """Return promote only when every rule is met; inconclusive when only the number of items stands in the way.

    Args:
        compared: For "base" and "champion", each reference's name with the pairs of each metric. Of the base's ways of being
            asked, whose names begin with their kind ("few_shot/plain/3"), each test takes the best of each kind on its own items.
            What has no reference, as the champion before the first promotion, makes its rules void, and a reason says so.

    Raises:
        EvaluationError: If a rule or a floor finds no item, or nothing is left to ask for something better.
    """
    found = [
        test
        for place, rule in enumerate(gate.rules)
        for test in _evaluate_rule(place, rule, comparisons.get(rule.against, []), gate)
    ]
    if not any(test.test == "superiority" for test in found):
        raise EvaluationError(
            "no rule that asks for something better has anything to compare with; without one an equal model would be promoted"
        )
    results = [_decide_result(test, gate) for test in _apply_holm(found)]
    minimums = [_check_minimum(floor, comparisons, gate) for floor in gate.thresholds]
    void = [
        messages.build_missing_reference_reason(kind)
        for kind in dict.fromkeys(rule.against for rule in gate.rules)
        if not comparisons.get(kind)
    ]
    reasons = [
        *(messages.build_rule_reason(test, gate.confidence, gate.minimum_items) for test in results),
        *minimums,
        *void,
    ]
    return Decision(verdict=_combine_verdict([reason.passed for reason in reasons]), reasons=reasons, results=results)


def _combine_verdict(passed: Sequence[bool | None]) -> Verdict:
    if any(rule is False for rule in passed):
        return "reject"
    return "inconclusive" if any(rule is None for rule in passed) else "promote"


def _evaluate_rule(
    rule_index: int, rule: RuleParams, comparisons: Sequence[tuple[str, Mapping[str, Pairs]]], gate: GateParams
) -> list[RuleResult]:
    rule_pairs = [(name, _select_pairs(rule_index, rule, pairs)) for name, pairs in comparisons]
    parts = [_group_pairs(rule, pairs) for _, pairs in rule_pairs]  # of the same items, so of the same names
    found = []
    for group in parts[0] if parts else ():
        references = _select_references(
            [(name, part[group]) for (name, _), part in zip(rule_pairs, parts, strict=True)],
            higher_is_better=rule.higher_is_better,
        )
        found += [_compute_result(rule_index, rule, name, group, pairs, gate) for name, pairs in references]
    return found


def _select_pairs(rule_index: int, rule: RuleParams, pairs: Mapping[str, Pairs]) -> Pairs:
    if rule.metric not in pairs:
        raise EvaluationError(
            f"rule {rule_index + 1} asks for metric {rule.metric!r}, which no item has; there are {', '.join(sorted(pairs))}"
        )
    rule_pairs = pairs[rule.metric].select(tasks=rule.tasks)
    if not len(rule_pairs):
        raise EvaluationError(
            f"rule {rule_index + 1} finds no item with metric {rule.metric!r} in the tasks {', '.join(rule.tasks) or 'of the test split'}; "
            f"there are {', '.join(sorted(set(pairs[rule.metric].tasks)))}"
        )
    return rule_pairs


def _group_pairs(rule: RuleParams, pairs: Pairs) -> dict[str, Pairs]:
    """Return the items of each test of a rule, by the language or task that they are of."""
    match rule.group_by:
        case "all":
            return {"": pairs}
        case "language":
            return {language: pairs.select(language=language) for language in sorted(set(pairs.languages))}
        case "task":
            return {task: pairs.select(tasks=[task]) for task in sorted(set(pairs.tasks))}


def _select_references(comparisons: Sequence[tuple[str, Pairs]], *, higher_is_better: bool) -> list[tuple[str, Pairs]]:
    """Return the best reference of each kind; one that scored just as another did is compared once.

    The best is chosen on the very items that are compared, which favours the reference.
    """
    sign = 1.0 if higher_is_better else -1.0
    best: dict[str, tuple[str, Pairs]] = {}
    for name, pairs in comparisons:
        kind = name.partition("/")[0]
        if kind not in best or sign * pairs.reference.mean() > sign * best[kind][1].reference.mean():
            best[kind] = (name, pairs)
    kept: list[tuple[str, Pairs]] = []
    for name, pairs in best.values():
        if not any(np.array_equal(pairs.reference, other.reference) for _, other in kept):
            kept.append((name, pairs))
    return kept


def _compute_result(
    rule_index: int, rule: RuleParams, against: str, group: str, pairs: Pairs, gate: GateParams
) -> RuleResult:
    differences = (pairs.candidate - pairs.reference) * (1.0 if rule.higher_is_better else -1.0)
    margin = rule.margin if rule.test == "superiority" else -rule.margin
    bootstrap = compute_paired_bootstrap(
        differences, margin=margin, seed=gate.seed, resamples=gate.resamples, confidence=gate.confidence
    )
    # McNemar's test is of no difference at all: with a margin it says nothing about the rule.
    mcnemar = (
        compute_mcnemar_exact(pairs.candidate, pairs.reference)
        if not rule.margin and is_binary(pairs.candidate, pairs.reference)
        else None
    )
    p = bootstrap.p if mcnemar is None else max(bootstrap.p, mcnemar)
    known = len(pairs) > 1
    return RuleResult(
        rule=rule_index,
        against=against,
        test=rule.test,
        metric=rule.metric,
        group=group,
        margin=rule.margin,
        items=len(pairs),
        candidate=float(pairs.candidate.mean()),
        reference=float(pairs.reference.mean()),
        difference=bootstrap.difference,
        low=bootstrap.low if known else None,
        high=bootstrap.high if known else None,
        p=p,
        p_mcnemar=mcnemar,
        p_holm=p,
        required_items=estimate_required_items(
            differences, margin=margin, significance=1 - gate.confidence, power=gate.power
        ),
        passed=None,
    )


def _apply_holm(results: Sequence[RuleResult]) -> list[RuleResult]:
    """Return the tests with Holm's p-values; those that ask for better and those that ask for not worse are two families."""
    adjusted = list(results)
    for kind in ("superiority", "non_inferiority"):
        indices = [place for place, test in enumerate(results) if test.test == kind]
        for index, p in zip(indices, adjust_holm([results[place].p for place in indices]), strict=True):
            adjusted[index] = replace(results[index], p_holm=p)
    return adjusted


def _decide_result(result: RuleResult, gate: GateParams) -> RuleResult:
    """Return the test with what it says."""
    margin = result.margin if result.test == "superiority" else -result.margin
    passed: bool | None = None
    if result.high is not None and _is_violated(result.high, margin, result.test):
        passed = False
    elif (
        result.low is not None
        and result.low > margin
        and result.p_holm <= 1 - gate.confidence
        and result.items >= gate.minimum_items
    ):
        passed = True
    needed = (
        None
        if passed is not None
        else max(result.required_items or 0, gate.minimum_items if result.items < gate.minimum_items else 0) or None
    )
    return replace(result, passed=passed, required_items=needed)


def _is_violated(high: float, margin: float, test: str) -> bool:
    """Return whether even the upper end of the interval doesn't reach what is asked."""
    return high <= margin if test == "superiority" else high < margin


def _check_minimum(
    minimum: ThresholdParams, comparisons: Mapping[str, Sequence[tuple[str, Mapping[str, Pairs]]]], gate: GateParams
) -> Reason:
    pairs = next(found for references in comparisons.values() for _, found in references)
    if minimum.metric not in pairs:
        raise EvaluationError(
            f"a floor asks for metric {minimum.metric!r}, which no item has; there are {', '.join(sorted(pairs))}"
        )
    minimum_pairs = pairs[minimum.metric].select(tasks=minimum.tasks)
    if not len(minimum_pairs):
        raise EvaluationError(
            f"a floor finds no item with metric {minimum.metric!r} in the tasks {', '.join(minimum.tasks)}"
        )
    return messages.build_minimum_reason(
        minimum.metric, float(minimum_pairs.candidate.mean()), minimum.minimum, len(minimum_pairs)
    )
