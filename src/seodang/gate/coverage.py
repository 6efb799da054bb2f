"""Which trained tasks the gate looks at, and the default rules of those that no rule names. Pure.

A verdict about other tasks proves nothing about the one that was trained. So each task with training records needs a
rule or a threshold for what its answers say. A metric of their form, such as the rate of end tokens, is not enough.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from seodang.config import DefaultRuleParams, DefaultThresholdParams, GateParams, RuleParams, ThresholdParams
from seodang.gate.messages import Reason, build_reason
from seodang.i18n import Message
from seodang.metric_registry import FORM_METRICS

BASELINE: Final = "baseline"
"""Reference of rules against answers that do not depend on the question. Such a rule alone judges no task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedTask:
    """A task with training records, and the test items that it can be judged by."""

    name: str
    kind: Literal["choice", "generate"]
    """choice: every test record has labels; generate: free answers."""
    source: str
    """Source of most of its training records."""
    training_records: int
    test_records: int
    items: Mapping[str, int]
    """Evaluated items by metric; empty for a task without test records."""


def list_unjudged_tasks(
    gate: GateParams, tasks: Iterable[TrainedTask], references: Collection[str] = ("base",)
) -> list[TrainedTask]:
    """Return the tasks whose answers no rule and no threshold looks at.

    Args:
        gate: Rules and thresholds.
        tasks: The trained tasks.
        references: Kinds of references that exist; before the first promotion there is no champion.
    """
    bounds: list[RuleParams | ThresholdParams] = [
        rule for rule in gate.rules if rule.against in references and rule.against != BASELINE
    ]
    bounds += gate.thresholds
    return [task for task in tasks if not any(_covers(bound, task) for bound in bounds)]


def _covers(bound: RuleParams | ThresholdParams, task: TrainedTask) -> bool:
    is_selected = not bound.tasks or task.name in bound.tasks
    return is_selected and bound.metric not in FORM_METRICS and task.items.get(bound.metric, 0) > 0


def add_default_rules(gate: GateParams, tasks: Sequence[TrainedTask]) -> GateParams:
    """Return the gate with the default rules of each task that no rule and no threshold of its own looks at.

    A task with enough items for a test gets its own test. The smaller tasks of a source are tested together. So a data
    set of many small tasks can be judged, and no task hides among those of another source. The default rules against
    the baseline apply to all trained tasks without such a rule. A task with rules of its own may be learned from
    shuffled answers too.
    """
    judged = [task for task in tasks if task.name not in gate.unjudged_tasks]
    uncovered = list_unjudged_tasks(gate, judged)
    unproven = [task for task in judged if not any(_is_about_baseline(rule, task) for rule in gate.rules)]
    rules = [
        rule
        for default in gate.default_rules
        for rule in _expand_rule(default, unproven if default.against == BASELINE else uncovered, gate.minimum_items)
    ]
    thresholds = [
        default.for_tasks([task.name for task in group])
        for default in gate.default_thresholds
        for group in _group_tasks(default, uncovered, gate.minimum_items)
    ]
    return gate.model_copy(
        update={"rules": [*gate.rules, *rules], "thresholds": [*gate.thresholds, *thresholds]},
    )


def _is_about_baseline(rule: RuleParams, task: TrainedTask) -> bool:
    return rule.against == BASELINE and (not rule.tasks or task.name in rule.tasks)


def _expand_rule(default: DefaultRuleParams, tasks: Iterable[TrainedTask], minimum_items: int) -> list[RuleParams]:
    groups = _group_tasks(default, tasks, minimum_items)
    return [default.for_tasks([task.name for task in group], one_test_per_task=len(group) == 1) for group in groups]


def _group_tasks(
    default: DefaultRuleParams | DefaultThresholdParams, tasks: Iterable[TrainedTask], minimum_items: int
) -> list[list[TrainedTask]]:
    """Return the tasks of each test: a large task alone, the smaller ones by source."""
    own: list[list[TrainedTask]] = []
    small: dict[str, list[TrainedTask]] = {}
    for task in tasks:
        items = task.items.get(default.metric, 0)
        if not items or default.kind not in ("any", task.kind):
            continue
        if items >= minimum_items:
            own.append([task])
        else:
            small.setdefault(task.source, []).append(task)
    return [*own, *small.values()]


def build_coverage_reasons(unjudged: Iterable[TrainedTask], gate: GateParams) -> list[Reason]:
    """Return a reason for each trained task that no rule and no threshold reads; it is undecided unless permitted."""
    reasons = []
    for task in unjudged:
        counts = {
            "task": task.name,
            "training": Message(
                "{count} training record", plural="{count} training records", count=task.training_records
            ),
            "test": Message("{count} test record", plural="{count} test records", count=task.test_records),
        }
        if task.name in gate.unjudged_tasks:
            message = Message(
                "task {task} ({training}, {test}) goes unjudged, as gate.unjudged_tasks permits: no rule and no threshold "
                "looks at its answers",
                counts,
            )
        else:
            message = Message(
                "task {task} undecided: it was trained ({training}, {test}), but no rule and no threshold looks at its "
                "answers; add a rule with tasks: [{task}], or write gate.unjudged_tasks: [{task}]",
                counts,
            )
        is_permitted = task.name in gate.unjudged_tasks
        reasons.append(build_reason(True if is_permitted else None, message, is_information=is_permitted))
    return reasons
