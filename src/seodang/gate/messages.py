"""Reasons of a verdict: each rule with its numbers, in all languages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from seodang.config import GateParams, ThresholdParams
from seodang.gate.differences import read_score_difference
from seodang.gate.ledger import Reuse, count_fresh_items
from seodang.gate.levels import compute_wear, is_worn_out
from seodang.gate.rules import Obstacle, RuleResult, describe_subject
from seodang.gate.scores import Pairs
from seodang.gate.statistics import MINIMUM_GROUPS, BootstrapResult
from seodang.gate.verdict import OUTCOME_LABELS
from seodang.i18n import N_, Message

_GROUP_KINDS = {"language": N_("language"), "task": N_("task")}
REFERENCE_LABELS = {"base": N_("base model"), "champion": N_("champion"), "baseline": N_("baseline")}


@dataclass(frozen=True, slots=True)
class Reason:
    """The outcome of one rule in all languages."""

    passed: bool | None
    """None: the items do not decide the rule."""
    ko: str
    en: str
    is_information: bool = False
    """The reason states no outcome of a rule or a threshold."""


def build_reason(passed: bool | None, message: Message, *, is_information: bool = False) -> Reason:
    """Return a reason with its text in all languages."""
    return Reason(passed, **message.to_json(), is_information=is_information)


def build_rule_reason(result: RuleResult, minimum_items: int) -> Reason:
    """Return the outcome of a rule; for an undecided rule also the number of items that would decide it."""
    difference = read_score_difference(asdict(result))
    message = Message(
        "{subject} {outcome}: {against} {reference:.4f} → candidate {candidate:.4f}, "
        "difference {difference:+.4f}, {confidence} interval {interval}, p {p}, {items} ({requirement})",
        {
            "subject": describe_subject(result.metric, result.tasks, result.group),
            "outcome": Message(OUTCOME_LABELS[result.passed]),
            "against": result.against,
            "reference": result.reference,
            "candidate": result.candidate,
            "difference": difference.value,
            "confidence": format_confidence(result.confidence),
            "interval": format_interval(difference.low, difference.high, "+.4f"),
            "p": _format_p(result.p if result.passed is not False else result.p_holm),
            "items": describe_items(result.items, result.independent_groups),
            "requirement": result.kind.describe_requirement(result.margin),
        },
    )
    if result.passed is None:
        hint = _describe_required_items(result, minimum_items)
        message = Message("{reason}. {hint}", {"reason": message, "hint": hint})
    return build_reason(result.passed, message)


def describe_items(items: int, independent_groups: int) -> Message:
    """Return the number of items, with that of independent groups where it differs."""
    if independent_groups == items:
        return _count_items(items)
    groups = Message("{count} independent group", plural="{count} independent groups", count=independent_groups)
    return Message("{items} in {groups}", {"items": _count_items(items), "groups": groups})


def _count_items(count: int) -> Message:
    return Message("{count} item", plural="{count} items", count=count)


def _describe_required_items(result: RuleResult, minimum_items: int) -> Message:
    """Return how many items would decide the rule, and why so many."""
    count = {"count": result.required_items}
    if result.obstacle == "equal":
        return Message("No item differs, so these items show neither that it holds nor that it does not")
    if result.required_items is None:
        return Message("The difference is so close to the bound that more items do not decide the rule")
    if result.obstacle == "inherited":
        return Message(
            "Earlier candidates on these items were as good by luck, which may explain the difference; about {count} fresh "
            "items would decide the rule",
            count,
        )
    if result.obstacle == "used_up":
        return Message("These items are used up; about {count} fresh items would decide the rule", count)
    if result.obstacle == "shape":
        return Message(
            "The differences are skewed, or most of them are equal, and so few items may lack the rare ones; about "
            "{count} items would decide the rule",
            count,
        )
    if result.obstacle == "groups":
        return Message(
            "So few groups do not show the spread between groups; about {count} items in as large groups "
            "would decide the rule",
            count,
        )
    if result.items < minimum_items:
        return Message(
            "About {count} items would decide the rule (gate.minimum_items is {minimum})",
            {"count": result.required_items, "minimum": minimum_items},
        )
    return Message("About {count} items would decide the rule", count)


def format_confidence(confidence: float) -> str:
    """Return a confidence in percent."""
    return f"{confidence * 100:.4g}%"


def format_interval(low: float | None, high: float | None, layout: str) -> Message | str:
    """Return an interval, its ends in a layout such as "+.4f"; "none" without one."""
    if low is None or high is None or not math.isfinite(low + high):
        return Message("none")
    return f"[{low:{layout}}, {high:{layout}}]"


def _format_p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def build_threshold_reason(
    threshold: ThresholdParams,
    passed: bool | None,
    mean: BootstrapResult,
    selected: Pairs,
    confidence: float,
    obstacle: Obstacle | None,
    gate: GateParams,
) -> Reason:
    """Return whether the interval of the candidate's mean lies within a threshold."""
    groups = len(set(selected.group_names))
    if threshold.minimum is not None:
        bound = Message("minimum {bound:g}", {"bound": threshold.minimum})
    else:
        bound = Message("maximum {bound:g}", {"bound": threshold.maximum})
    message = Message(
        "{metric} {outcome}: candidate {mean:.4f}, {confidence} interval {interval} ({bound}, {items})",
        {
            "metric": threshold.metric,
            "outcome": Message(OUTCOME_LABELS[passed]),
            "mean": mean.difference,
            "confidence": format_confidence(confidence),
            "interval": format_interval(mean.low, mean.high, ".4f"),
            "bound": bound,
            "items": describe_items(len(selected), groups),
        },
    )
    if obstacle is not None:
        message = Message("{reason}. {hint}", {"reason": message, "hint": _describe_obstacle(obstacle, selected, gate)})
    return build_reason(passed, message)


def _describe_obstacle(obstacle: Obstacle, selected: Pairs, gate: GateParams) -> Message:
    """Return why the interval of a mean cannot be trusted."""
    if obstacle == "items":
        return Message(
            "At least {count} item is needed (gate.minimum_items)",
            plural="At least {count} items are needed (gate.minimum_items)",
            count=gate.minimum_items,
        )
    if obstacle == "groups":
        return Message("At least {count} independent groups are needed", {"count": MINIMUM_GROUPS})
    if obstacle == "used_up":
        count = {"count": count_fresh_items([selected.keys])}
        return Message("These items are used up; about {count} fresh items would decide the rule", count)
    return Message("The scores are skewed, or most of them are equal, and so few items may lack the rare ones")


def build_missing_group_reason(metric: str, group_by: str, group: str) -> Reason:
    """Return that a rule has no item of a language or task that it expects."""
    message = Message(
        "{metric} [{group}] undecided: no item of this {kind}; add such items, or name those that there are in the rule's "
        "groups",
        {"metric": metric, "group": group, "kind": Message(_GROUP_KINDS[group_by])},
    )
    return build_reason(None, message)


def build_missing_reference_reason(kind: str) -> Reason:
    """Return that the rules against a reference do not apply, because it does not exist."""
    message = Message(
        "there is no {reference} to compare with: the rules against it do not apply",
        {"reference": Message(REFERENCE_LABELS[kind])},
    )
    return build_reason(True, message, is_information=True)


def build_reuse_reasons(uses: Sequence[Reuse], fresh_items: int, gate: GateParams) -> list[Reason]:
    """Return how often the items were judged before, and how many fresh items renew them; empty for fresh items.

    Args:
        uses: Of each test and threshold.
        fresh_items: Items that must be replaced, of all tests together.
        gate: Parameters.
    """
    last = max(uses, key=lambda reuse: (reuse.is_used_up, reuse.number), default=None)
    if last is None or last.number == 1:
        return []
    message = Message(
        "judgement {number} on these items: {judgements} judgements share the permitted probability of a wrong "
        "promotion, so a rule is met at {confidence} confidence",
        {
            "number": last.number,
            "judgements": gate.judgements,
            "confidence": format_confidence(last.confidence),
        },
    )
    fresh = {"count": fresh_items}
    if last.is_used_up:
        message = Message(
            "{number} judgements on these items have used up the permitted probability of a wrong promotion "
            "(gate.judgements is {judgements}), so no rule can be met; {count} fresh items renew the set, of which at most "
            "10% may be old",
            {"number": last.number - 1, "judgements": gate.judgements, **fresh},
        )
    elif is_worn_out(last.tail, gate):
        hint = Message(
            "The items are worn out: a rule needs {factor:.1f} times as many as at the first judgement. {count} fresh "
            "items renew the set, of which at most 10% may be old",
            {"factor": compute_wear(last.tail, gate), **fresh},
        )
        message = Message("{reason}. {hint}", {"reason": message, "hint": hint})
    return [build_reason(True, message, is_information=True)]
