"""The gate: a pure decision from paired per-item scores, with its reasons.

Each rule is a test on the same items, or one test per language or task. A superiority rule is met when the interval of
the difference lies above its margin and the p-value is at most 1 - confidence. A non-inferiority rule is met likewise
with the margin below zero. A rule is not met when the complete interval lies on the wrong side and the corrected
p-value is at most 1 - confidence. The correction is Holm's, for the number of tests. Both decisions need enough items;
otherwise a rule is undecided. One rule that is not met rejects the candidate; an undecided rule makes the verdict
inconclusive. A rule against the base is met if it is met against each of its prompts.

A ledger of earlier judgements on the same items raises the confidence that a rule needs to be met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from seodang.config import GateParams, RuleParams, ThresholdParams
from seodang.errors import EvaluationError
from seodang.evaluation.exam import ExamItem
from seodang.gate import messages
from seodang.gate.comparisons import (
    Comparison,
    check_names,
    list_missing_groups,
    select_forward,
)
from seodang.gate.coverage import BASELINE, TrainedTask, build_coverage_reasons, list_unjudged_tasks
from seodang.gate.exam import apply_exams, find_fallen_means
from seodang.gate.exam_reasons import build_exam_reasons
from seodang.gate.judgement import Judgement, Spending
from seodang.gate.ledger import Reuse, count_fresh_items, find_reuse
from seodang.gate.messages import Reason
from seodang.gate.outcomes import decide_tests
from seodang.gate.plans import PlannedTest, plan_tests
from seodang.gate.rules import RuleResult
from seodang.gate.serial_correlation import build_serial_reasons
from seodang.gate.thresholds import check_threshold
from seodang.gate.unjudged import JudgedItems, find_unjudged_changes, list_unjudged_names
from seodang.gate.unjudged_notes import build_change_notes, build_name_notes, build_permission_notes
from seodang.gate.variant_tests import run_variants
from seodang.gate.verdict import Verdict
from seodang.i18n import _


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict with its reasons and the result of each rule."""

    verdict: Verdict
    reasons: list[Reason]
    results: list[RuleResult]
    met: list[str]
    """Names of the tests that are met, for the ledger."""
    tests: dict[str, Spending]
    """Level and reference of each test, for the ledger."""
    exam_reasons: int = 0
    """Number of the first reasons, which are about the exam; those of the rules follow."""
    unjudged: list[RuleResult] = field(default_factory=list)
    """Scores that changed clearly and that no rule judges; they do not affect the verdict."""


def decide(
    comparisons: Mapping[str, Sequence[Comparison]],
    gate: GateParams,
    ledger: Sequence[Judgement] | None = None,
    tasks: Sequence[TrainedTask] = (),
    exams: Sequence[ExamItem] = (),
    further_reasons: Sequence[Reason] = (),
) -> Decision:
    """Return the verdict: promote only if every rule is met, inconclusive if more items could decide it.

    Args:
        comparisons: References of "base", "champion" and "baseline". The names of the base's variants begin with
            their kind ("few_shot/plain/3"). A test compares with each variant of a kind, and its result is that of the
            variant that decides it. Rules against a kind without references, such as the champion before the first
            promotion, do not apply; a reason says so.
        gate: Rules and thresholds.
        ledger: Judgements on these or other items, oldest first; None if none are kept.
        tasks: Trained tasks; one that no rule and no threshold looks at keeps the candidate from being promoted.
        exams: Test items beside those that each champion was promoted on.
        further_reasons: Reasons from elsewhere that decide with those of the rules, such as a forbidden use or an
            LLM judge that is not calibrated.

    Raises:
        EvaluationError: If a rule or a threshold names a metric or a task without items, or no superiority rule
            applies.
    """
    check_names(gate, comparisons)
    fallen = find_fallen_means(comparisons, exams)
    applied = apply_exams(comparisons, exams, fallen, gate)
    exam_reasons = build_exam_reasons(comparisons, applied, exams, fallen, gate)
    rules = [rule for rule in gate.rules if rule.against != BASELINE and comparisons.get(rule.against)]
    if not any(rule.test == "superiority" for rule in rules):
        raise EvaluationError(
            _(
                "no rule with test: superiority has a reference to compare with, so an equal model would be promoted; "
                "add such a rule to gate.rules"
            )
        )
    first = next(pairs for references in comparisons.values() for _name, pairs in references)
    plans = plan_tests(gate, applied, first)
    references = {plan.name: plan.reference for plan in plans}
    uses = [
        find_reuse(
            plan.pairs,
            plan.bound.metric,
            ledger,
            gate,
            name=plan.name,
            references=references,
            multisets=plan.multisets,
        )
        for plan in plans
    ]
    decision = _decide_plans(plans, uses, comparisons, gate, tasks)
    judged = _list_judged(plans, decision.results)
    changes = find_unjudged_changes(applied, judged, gate)
    names = list_unjudged_names(comparisons, judged, [*gate.unjudged_tasks, *(task.name for task in tasks)])
    notes = [
        *build_change_notes(changes),
        *build_name_notes(*names),
        *build_permission_notes(gate.unjudged_tasks, comparisons, tasks),
    ]
    reasons = [*exam_reasons, *decision.reasons, *notes, *further_reasons]
    verdict = _combine_verdict([reason.passed for reason in reasons])
    return replace(
        decision,
        reasons=reasons,
        verdict=verdict,
        exam_reasons=len(exam_reasons),
        unjudged=[change.result for change in changes],
    )


def _list_judged(plans: Sequence[PlannedTest], results: Sequence[RuleResult]) -> list[JudgedItems]:
    outcomes = iter(results)  # of the tests, which come in the order of their plans
    return [
        JudgedItems(plan.bound.metric, plan.bound.against, frozenset(plan.pairs.keys), next(outcomes).passed)
        if isinstance(plan.bound, RuleParams)
        else JudgedItems(plan.bound.metric, "", frozenset(plan.pairs.keys))
        for plan in plans
    ]


def _decide_plans(
    plans: Sequence[PlannedTest],
    uses: Sequence[Reuse],
    comparisons: Mapping[str, Sequence[Comparison]],
    gate: GateParams,
    tasks: Sequence[TrainedTask],
) -> Decision:
    tests, threshold_reasons = [], []
    for plan, reuse in zip(plans, uses, strict=True):
        if isinstance(plan.bound, ThresholdParams):
            threshold_reasons.append(check_threshold(plan.bound, plan.pairs, gate, reuse))
        else:
            selected = select_forward([pairs for _against, pairs in plan.variants], sign=plan.bound.sign)
            run = partial(run_variants, plan.rule, plan.bound, plan.variants, selected)
            tests.append(run(plan.group, gate, name=plan.name, reuse=reuse))
    results = decide_tests(tests, gate)
    missing = [kind for kind in dict.fromkeys(rule.against for rule in gate.rules) if not comparisons.get(kind)]
    fresh_items = count_fresh_items(
        plan.pairs.keys for plan, reuse in zip(plans, uses, strict=True) if reuse.number > 1
    )
    kinds = [kind for kind, variants in comparisons.items() if variants]
    reasons = [
        *(messages.build_rule_reason(result, gate.minimum_items) for result in results),
        *build_serial_reasons({plan.subject: plan.pairs for plan in plans if isinstance(plan.bound, RuleParams)}),
        *build_coverage_reasons(list_unjudged_tasks(gate, tasks, kinds), gate),
        *(reason for rule in gate.rules for reason in _find_missing_groups(rule, comparisons.get(rule.against, []))),
        *threshold_reasons,
        *(messages.build_missing_reference_reason(kind) for kind in missing),
        *messages.build_reuse_reasons(uses, fresh_items, gate),
    ]
    return Decision(
        verdict=_combine_verdict([reason.passed for reason in reasons]),
        reasons=reasons,
        results=results,
        met=[test.name for test, result in zip(tests, results, strict=True) if result.passed],
        tests={
            plan.name: Spending(0.0 if reuse.is_used_up else reuse.tail, plan.reference, plan.multisets)
            for plan, reuse in zip(plans, uses, strict=True)
        },
    )


def _combine_verdict(passed: Sequence[bool | None]) -> Verdict:
    if any(rule is False for rule in passed):
        return "reject"
    return "inconclusive" if any(rule is None for rule in passed) else "promote"


def _find_missing_groups(rule: RuleParams, comparisons: Sequence[Comparison]) -> list[Reason]:
    if not comparisons or rule.metric not in comparisons[0][1]:
        return []
    pairs = comparisons[0][1][rule.metric].select(tasks=rule.tasks)
    return [
        messages.build_missing_group_reason(rule.metric, rule.group_by, group)
        for group in list_missing_groups(rule, pairs)
    ]
