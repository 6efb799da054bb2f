"""The gate: a pure decision from paired per-item scores, with its reasons.

Each rule is a test on the same items, or one test per language or task. A superiority rule is met when the interval of
the difference lies above its margin and the p-value is at most 1 - confidence, after Holm's correction for the number
of such tests. A non-inferiority rule is met likewise with the margin below zero. A rule is not met when the complete
interval lies on the wrong side; otherwise it is undecided. One rule that is not met rejects the candidate; an undecided
rule makes the verdict inconclusive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seodang.config import GateParams, RuleParams, ThresholdParams
from seodang.errors import EvaluationError
from seodang.gate import messages
from seodang.gate.messages import Reason
from seodang.gate.rules import RULE_KINDS, RuleResult
from seodang.gate.scores import Pairs
from seodang.gate.statistics import (
    adjust_holm,
    compute_mcnemar_exact,
    compute_paired_bootstrap,
    estimate_required_items,
    is_binary,
)
from seodang.gate.verdict import Verdict
from seodang.i18n import _

Comparison = tuple[str, Mapping[str, Pairs]]
"""Name of a reference, and its pairs with the candidate by metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict with its reasons and the result of each rule."""

    verdict: Verdict
    reasons: list[Reason]
    results: list[RuleResult]


def decide(comparisons: Mapping[str, Sequence[Comparison]], gate: GateParams) -> Decision:
    """Return the verdict: promote only if every rule is met, inconclusive if more items could decide it.

    Args:
        comparisons: References of "base" and "champion". The names of the base's variants begin with their kind
            ("few_shot/plain/3"), and each test uses the best variant of each kind on its own items. Rules against a
            kind without references, such as the champion before the first promotion, do not apply; a reason says so.
        gate: Rules and thresholds.

    Raises:
        EvaluationError: If a rule or a threshold has no item, or no superiority rule applies.
    """
    results = [
        result
        for index, rule in enumerate(gate.rules)
        for result in _evaluate_rule(index, rule, comparisons.get(rule.against, []), gate)
    ]
    if not any(result.test == "superiority" for result in results):
        raise EvaluationError(
            _(
                "no rule with test: superiority has a reference to compare with, so an equal model would be promoted; "
                "add such a rule to gate.rules"
            )
        )
    results = [_decide_result(result, gate) for result in _apply_holm(results)]
    missing = [kind for kind in dict.fromkeys(rule.against for rule in gate.rules) if not comparisons.get(kind)]
    reasons = [
        *(messages.build_rule_reason(result, gate.confidence, gate.minimum_items) for result in results),
        *(_check_threshold(threshold, comparisons) for threshold in gate.thresholds),
        *(messages.build_missing_reference_reason(kind) for kind in missing),
    ]
    return Decision(verdict=_combine_verdict([reason.passed for reason in reasons]), reasons=reasons, results=results)


def _combine_verdict(passed: Sequence[bool | None]) -> Verdict:
    if any(rule is False for rule in passed):
        return "reject"
    return "inconclusive" if any(rule is None for rule in passed) else "promote"


def _evaluate_rule(
    rule_index: int, rule: RuleParams, comparisons: Sequence[Comparison], gate: GateParams
) -> list[RuleResult]:
    groups = [(name, _group_pairs(rule, _select_pairs(rule_index, rule, pairs))) for name, pairs in comparisons]
    if not groups:
        return []
    results = []
    for group in groups[0][1]:  # all references have the same items, and so the same groups
        references = _select_references(
            [(name, by_group[group]) for name, by_group in groups], higher_is_better=rule.higher_is_better
        )
        results += [_compute_result(rule_index, rule, name, group, pairs, gate) for name, pairs in references]
    return results


def _select_pairs(rule_index: int, rule: RuleParams, pairs: Mapping[str, Pairs]) -> Pairs:
    if rule.metric not in pairs:
        raise EvaluationError(
            _(
                "gate.rules, rule {number}: no item has the metric {metric!r}; available metrics: {metrics}",
                number=rule_index + 1,
                metric=rule.metric,
                metrics=", ".join(sorted(pairs)),
            )
        )
    rule_pairs = pairs[rule.metric].select(tasks=rule.tasks)
    if not len(rule_pairs):
        raise EvaluationError(
            _(
                "gate.rules, rule {number}: no item of the tasks {tasks} has the metric {metric!r}; available tasks: {available}",
                number=rule_index + 1,
                tasks=", ".join(rule.tasks) or _("of the test split"),
                metric=rule.metric,
                available=", ".join(sorted(set(pairs[rule.metric].tasks))),
            )
        )
    return rule_pairs


def _group_pairs(rule: RuleParams, pairs: Pairs) -> dict[str, Pairs]:
    """Return the items of each test of a rule by language or task; under "" for a single test."""
    match rule.group_by:
        case "all":
            return {"": pairs}
        case "language":
            return {language: pairs.select(language=language) for language in sorted(set(pairs.languages))}
        case "task":
            return {task: pairs.select(tasks=[task]) for task in sorted(set(pairs.tasks))}


def _select_references(comparisons: Sequence[tuple[str, Pairs]], *, higher_is_better: bool) -> list[tuple[str, Pairs]]:
    """Return the best reference of each kind, without references whose scores equal those of an earlier one.

    The best reference is selected on the compared items, which favours the reference.
    """
    sign = 1.0 if higher_is_better else -1.0
    best: dict[str, tuple[str, Pairs]] = {}
    for name, pairs in comparisons:
        kind = name.partition("/")[0]
        if kind not in best or sign * pairs.reference.mean() > sign * best[kind][1].reference.mean():
            best[kind] = (name, pairs)
    kept: list[tuple[str, Pairs]] = []
    for name, pairs in best.values():
        if not any(np.array_equal(pairs.reference, other.reference) for _name, other in kept):
            kept.append((name, pairs))
    return kept


def _compute_result(
    rule_index: int, rule: RuleParams, against: str, group: str, pairs: Pairs, gate: GateParams
) -> RuleResult:
    differences = (pairs.candidate - pairs.reference) * (1.0 if rule.higher_is_better else -1.0)
    bound = RULE_KINDS[rule.test].compute_bound(rule.margin)
    bootstrap = compute_paired_bootstrap(
        differences, margin=bound, seed=gate.seed, resamples=gate.resamples, confidence=gate.confidence
    )
    # McNemar's test is of a difference of zero, so it does not apply to a rule with a margin.
    uses_mcnemar = not rule.margin and is_binary(pairs.candidate, pairs.reference)
    mcnemar = compute_mcnemar_exact(pairs.candidate, pairs.reference) if uses_mcnemar else None
    p = bootstrap.p if mcnemar is None else max(bootstrap.p, mcnemar)
    has_interval = len(pairs) > 1
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
        low=bootstrap.low if has_interval else None,
        high=bootstrap.high if has_interval else None,
        p=p,
        p_mcnemar=mcnemar,
        p_holm=p,
        required_items=estimate_required_items(
            differences, margin=bound, significance=1 - gate.confidence, power=gate.power
        ),
        passed=None,
    )


def _apply_holm(results: Sequence[RuleResult]) -> list[RuleResult]:
    """Return the results with Holm's p-values; each kind of rule is a family of its own."""
    adjusted = list(results)
    for kind in RULE_KINDS:
        indices = [index for index, result in enumerate(results) if result.test == kind]
        for index, p in zip(indices, adjust_holm([results[index].p for index in indices]), strict=True):
            adjusted[index] = replace(results[index], p_holm=p)
    return adjusted


def _decide_result(result: RuleResult, gate: GateParams) -> RuleResult:
    """Return the result with its outcome."""
    passed: bool | None = None
    if result.high is not None and result.kind.is_violated(result.high, result.bound):
        passed = False
    elif (
        result.low is not None
        and result.low > result.bound
        and result.p_holm <= 1 - gate.confidence
        and result.items >= gate.minimum_items
    ):
        passed = True
    if passed is not None:
        return replace(result, passed=passed, required_items=None)
    minimum = gate.minimum_items if result.items < gate.minimum_items else 0
    return replace(result, passed=None, required_items=max(result.required_items or 0, minimum) or None)


def _check_threshold(threshold: ThresholdParams, comparisons: Mapping[str, Sequence[Comparison]]) -> Reason:
    pairs = next(pairs for references in comparisons.values() for _name, pairs in references)
    if threshold.metric not in pairs:
        raise EvaluationError(
            _(
                "gate.thresholds: no item has the metric {metric!r}; available metrics: {metrics}",
                metric=threshold.metric,
                metrics=", ".join(sorted(pairs)),
            )
        )
    threshold_pairs = pairs[threshold.metric].select(tasks=threshold.tasks)
    if not len(threshold_pairs):
        raise EvaluationError(
            _(
                "gate.thresholds: no item of the tasks {tasks} has the metric {metric!r}",
                tasks=", ".join(threshold.tasks) or _("of the test split"),
                metric=threshold.metric,
            )
        )
    mean = float(threshold_pairs.candidate.mean())
    return messages.build_minimum_reason(threshold.metric, mean, threshold.minimum, len(threshold_pairs))
