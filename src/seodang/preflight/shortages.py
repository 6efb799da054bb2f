"""Rules that the items of the evaluation cannot decide, and the parameters that change this. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from seodang.config import EvaluateParams, GateParams, RuleParams, ThresholdParams
from seodang.gate.comparisons import EXPECTED_LANGUAGES
from seodang.gate.levels import compute_tail
from seodang.gate.rules import describe_subject
from seodang.i18n import _, ngettext
from seodang.metric_registry import BINARY_METRICS, REGISTRY
from seodang.preflight.evaluated_tasks import EvaluatedTask

_LOWEST_MINIMUM = 20  # items; with fewer, a test decides almost nothing
_MAX_TEST_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class _Test:
    """The items of one test of a rule or threshold."""

    name: str
    metric: str
    tasks: list[EvaluatedTask]
    needed: int

    @property
    def items(self) -> int:
        return sum(task.items.get(self.metric, 0) for task in self.tasks)


def find_shortages(
    gate: GateParams, tasks: Sequence[EvaluatedTask], evaluate: EvaluateParams, test_ratio: float
) -> list[str]:
    """Return a problem for each rule and threshold that has too few items to be decided, with the values that would do.

    Args:
        gate: With the default rules.
        tasks: Evaluated tasks.
        evaluate: Limits of the items.
        test_ratio: prepare.test_ratio.
    """
    tests = [
        *(test for rule in gate.rules for test in _list_tests(rule, tasks, gate.minimum_items)),
        *(_create_threshold_test(threshold, tasks, gate) for threshold in gate.thresholds),
    ]
    problems = [_describe_shortage(test, evaluate, test_ratio) for test in tests if 0 < test.items < test.needed]
    problems += [problem for rule in gate.rules for problem in _find_missing_groups(rule, tasks)]
    return list(dict.fromkeys(problems))  # rules against base and champion may have the same test


def _list_tests(rule: RuleParams, tasks: Iterable[EvaluatedTask], minimum_items: int) -> Iterator[_Test]:
    groups: dict[str, list[EvaluatedTask]] = {}
    for task in _select(rule, tasks):
        group = {"all": "", "language": task.language, "task": task.name}[rule.group_by]
        groups.setdefault(group, []).append(task)
    for group, members in groups.items():
        yield _Test(_name_test(rule, group), rule.metric, members, minimum_items)


def _create_threshold_test(threshold: ThresholdParams, tasks: Iterable[EvaluatedTask], gate: GateParams) -> _Test:
    needed = max(gate.minimum_items, _count_for_bound(threshold, gate))
    return _Test(_name_test(threshold, ""), threshold.metric, _select(threshold, tasks), needed)


def _count_for_bound(threshold: ThresholdParams, gate: GateParams) -> int:
    """Return how many items a share needs so that the interval can lie above its minimum if every item scores 1.

    The exact lower bound of n successes in n trials is tail ** (1 / n) (Clopper and Pearson 1934).
    """
    minimum = threshold.minimum
    if threshold.metric not in BINARY_METRICS or minimum is None or not 0 < minimum < 1:
        return 0
    return math.ceil(math.log(compute_tail(1, gate)) / math.log(minimum))


def _select(bound: RuleParams | ThresholdParams, tasks: Iterable[EvaluatedTask]) -> list[EvaluatedTask]:
    return [
        task
        for task in tasks
        if (task.name in bound.tasks if bound.tasks else not task.is_task_file) and task.items.get(bound.metric, 0)
    ]


def _name_test(bound: RuleParams | ThresholdParams, group: str) -> str:
    subject = describe_subject(bound.metric, bound.tasks, group)
    return subject if len(bound.tasks) < 2 or group else f"{subject} ({', '.join(bound.tasks)})"


def _describe_shortage(test: _Test, evaluate: EvaluateParams, test_ratio: float) -> str:
    remedies = [*_list_remedies(test, evaluate, test_ratio)]
    if test.items >= _LOWEST_MINIMUM:
        remedies.append(f"gate.minimum_items: {test.items}")
    return ngettext(
        "{test}: {items} item will be scored, and the test needs {needed}. Any of these would do: {remedies}",
        "{test}: {items} items will be scored, and the test needs {needed}. Any of these would do: {remedies}",
        test.items,
        test=test.name,
        items=test.items,
        needed=test.needed,
        remedies="; ".join(remedies),
    )


def _list_remedies(test: _Test, evaluate: EvaluateParams, test_ratio: float) -> Iterator[str]:
    """Yield the parameters, each with its value, that would give the test enough items; else what to add."""
    records = sum(task.records for task in test.tasks)
    limits = _list_limits(test, max(test.needed, 1))
    if records >= test.needed:
        yield ", ".join(limits)
        return
    ratio = math.ceil(100 * test_ratio * test.needed / records) / 100
    if all(task.grows_with_test_ratio for task in test.tasks) and ratio <= _MAX_TEST_RATIO:
        yield ", ".join([f"prepare.test_ratio: {ratio:g}", *_list_limits(test, test.needed)])
    yield ngettext("{count} more test record", "{count} more test records", test.needed - records)


def _list_limits(test: _Test, needed: int) -> list[str]:
    """Return the limits of section evaluate that must be raised for this many items."""
    records = sorted(task.records for task in test.tasks)
    per_task = math.ceil(needed / len(records))
    while sum(min(count, per_task) for count in records) < min(needed, sum(records)):
        per_task += 1
    names = {f"evaluate.{task.generation_limit}": task.generation_limit for task in test.tasks}
    is_answered = "generate" in REGISTRY[test.metric].kinds if test.metric in REGISTRY else False
    limits = [f"{name}: {per_task}" for name, limit in names.items() if is_answered and limit != "task_file"]
    return [*limits, f"evaluate.items_per_task: {per_task}"]


def _find_missing_groups(rule: RuleParams, tasks: Sequence[EvaluatedTask]) -> Iterator[str]:
    """Yield a problem for each language or task that a rule expects and that no item has."""
    if rule.group_by == "all":
        return
    selected = _select(rule, tasks)
    present = {task.language if rule.group_by == "language" else task.name for task in selected}
    expected = rule.groups or (EXPECTED_LANGUAGES if rule.group_by == "language" else ())
    if missing := [name for name in expected if name not in present]:
        yield _(
            "{test}: no item of {missing}. Write in the rule: groups: [{present}]",
            test=_name_test(rule, ""),
            missing=", ".join(missing),
            present=", ".join(sorted(present)),
        )
