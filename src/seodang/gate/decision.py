"""The gate: a pure decision from paired per-item scores, with its reasons.

Each rule is a test on the same items, or one for each language or task. A rule of the kind "better" holds when the interval
of the difference lies above its margin and the p-value, corrected for the number of such tests (Holm), is below 1 - confidence;
one of the kind "not worse" likewise with the margin below zero. A rule is broken when the interval lies wholly on the wrong
side. In between the data don't tell. One broken rule rejects; one that isn't told leaves the verdict open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seodang.config import FloorParams, GateParams, RuleParams
from seodang.errors import EvaluationError
from seodang.gate import messages
from seodang.gate.messages import Reason
from seodang.gate.rules import Test, Verdict
from seodang.gate.scores import Pairs
from seodang.gate.statistics import holm, is_binary, items_needed, mcnemar_exact, paired_bootstrap


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict with everything that it rests on."""

    verdict: Verdict
    reasons: list[Reason]
    tests: list[Test]


def decide(compared: Mapping[str, Sequence[tuple[str, Mapping[str, Pairs]]]], gate: GateParams) -> Decision:
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
        for test in _tests(place, rule, compared.get(rule.against, []), gate)
    ]
    if not any(test.ask == "better" for test in found):
        raise EvaluationError(
            "no rule that asks for something better has anything to compare with; without one an equal model would be promoted"
        )
    tests = [_judged(test, gate) for test in _corrected(found)]
    floors = [_floor(floor, compared, gate) for floor in gate.floors]
    void = [
        messages.no_reference(kind)
        for kind in dict.fromkeys(rule.against for rule in gate.rules)
        if not compared.get(kind)
    ]
    told = [*(messages.of_test(test, gate.confidence, gate.minimum_items) for test in tests), *floors, *void]
    return Decision(verdict=_verdict([reason.passed for reason in told]), reasons=told, tests=tests)


def _verdict(passed: Sequence[bool | None]) -> Verdict:
    if any(rule is False for rule in passed):
        return "reject"
    return "inconclusive" if any(rule is None for rule in passed) else "promote"


def _tests(
    place: int, rule: RuleParams, compared: Sequence[tuple[str, Mapping[str, Pairs]]], gate: GateParams
) -> list[Test]:
    chosen = [(name, _chosen(place, rule, pairs)) for name, pairs in compared]
    parts = [_parts(rule, pairs) for _, pairs in chosen]  # of the same items, so of the same names
    found = []
    for of in parts[0] if parts else ():
        references = _references(
            [(name, part[of]) for (name, _), part in zip(chosen, parts, strict=True)],
            higher_is_better=rule.higher_is_better,
        )
        found += [_test(place, rule, name, of, pairs, gate) for name, pairs in references]
    return found


def _chosen(place: int, rule: RuleParams, pairs: Mapping[str, Pairs]) -> Pairs:
    if rule.metric not in pairs:
        raise EvaluationError(
            f"rule {place + 1} asks for metric {rule.metric!r}, which no item has; there are {', '.join(sorted(pairs))}"
        )
    chosen = pairs[rule.metric].chosen(tasks=rule.tasks)
    if not len(chosen):
        raise EvaluationError(
            f"rule {place + 1} finds no item with metric {rule.metric!r} in the tasks {', '.join(rule.tasks) or 'of the test split'}; "
            f"there are {', '.join(sorted(set(pairs[rule.metric].tasks)))}"
        )
    return chosen


def _parts(rule: RuleParams, chosen: Pairs) -> dict[str, Pairs]:
    """Return the items of each test of a rule, by the language or task that they are of."""
    match rule.each:
        case "all":
            return {"": chosen}
        case "language":
            return {language: chosen.chosen(language=language) for language in sorted(set(chosen.languages))}
        case "task":
            return {task: chosen.chosen(tasks=[task]) for task in sorted(set(chosen.tasks))}


def _references(compared: Sequence[tuple[str, Pairs]], *, higher_is_better: bool) -> list[tuple[str, Pairs]]:
    """Return the best reference of each kind; one that scored just as another did is compared once.

    The best is chosen on the very items that are compared, which favours the reference.
    """
    sign = 1.0 if higher_is_better else -1.0
    best: dict[str, tuple[str, Pairs]] = {}
    for name, pairs in compared:
        kind = name.partition("/")[0]
        if kind not in best or sign * pairs.reference.mean() > sign * best[kind][1].reference.mean():
            best[kind] = (name, pairs)
    kept: list[tuple[str, Pairs]] = []
    for name, pairs in best.values():
        if not any(np.array_equal(pairs.reference, other.reference) for _, other in kept):
            kept.append((name, pairs))
    return kept


def _test(place: int, rule: RuleParams, against: str, of: str, pairs: Pairs, gate: GateParams) -> Test:
    differences = (pairs.candidate - pairs.reference) * (1.0 if rule.higher_is_better else -1.0)
    margin = rule.margin if rule.ask == "better" else -rule.margin
    found = paired_bootstrap(
        differences, margin=margin, seed=gate.seed, resamples=gate.resamples, confidence=gate.confidence
    )
    # McNemar's test is of no difference at all: with a margin it says nothing about the rule.
    mcnemar = (
        mcnemar_exact(pairs.candidate, pairs.reference)
        if not rule.margin and is_binary(pairs.candidate, pairs.reference)
        else None
    )
    p = found.p if mcnemar is None else max(found.p, mcnemar)
    known = len(pairs) > 1
    return Test(
        rule=place,
        against=against,
        ask=rule.ask,
        metric=rule.metric,
        of=of,
        margin=rule.margin,
        items=len(pairs),
        candidate=float(pairs.candidate.mean()),
        reference=float(pairs.reference.mean()),
        difference=found.difference,
        low=found.low if known else None,
        high=found.high if known else None,
        p=p,
        p_mcnemar=mcnemar,
        p_holm=p,
        needed=items_needed(differences, margin=margin, significance=1 - gate.confidence, power=gate.power),
        passed=None,
    )


def _corrected(tests: Sequence[Test]) -> list[Test]:
    """Return the tests with Holm's p-values; those that ask for better and those that ask for not worse are two families."""
    corrected = list(tests)
    for kind in ("better", "not_worse"):
        places = [place for place, test in enumerate(tests) if test.ask == kind]
        for place, p in zip(places, holm([tests[place].p for place in places]), strict=True):
            corrected[place] = replace(tests[place], p_holm=p)
    return corrected


def _judged(test: Test, gate: GateParams) -> Test:
    """Return the test with what it says."""
    margin = test.margin if test.ask == "better" else -test.margin
    passed: bool | None = None
    if test.high is not None and _is_wrong(test.high, margin, test.ask):
        passed = False
    elif (
        test.low is not None
        and test.low > margin
        and test.p_holm <= 1 - gate.confidence
        and test.items >= gate.minimum_items
    ):
        passed = True
    needed = (
        None
        if passed is not None
        else max(test.needed or 0, gate.minimum_items if test.items < gate.minimum_items else 0) or None
    )
    return replace(test, passed=passed, needed=needed)


def _is_wrong(high: float, margin: float, ask: str) -> bool:
    """Return whether even the upper end of the interval doesn't reach what is asked."""
    return high <= margin if ask == "better" else high < margin


def _floor(
    floor: FloorParams, compared: Mapping[str, Sequence[tuple[str, Mapping[str, Pairs]]]], gate: GateParams
) -> Reason:
    pairs = next(found for references in compared.values() for _, found in references)
    if floor.metric not in pairs:
        raise EvaluationError(
            f"a floor asks for metric {floor.metric!r}, which no item has; there are {', '.join(sorted(pairs))}"
        )
    chosen = pairs[floor.metric].chosen(tasks=floor.tasks)
    if not len(chosen):
        raise EvaluationError(
            f"a floor finds no item with metric {floor.metric!r} in the tasks {', '.join(floor.tasks)}"
        )
    return messages.of_floor(floor.metric, float(chosen.candidate.mean()), floor.minimum, len(chosen))
