"""Reasons of a verdict: each rule with its numbers, in all languages."""

from __future__ import annotations

from dataclasses import dataclass

from seodang.gate.rules import RuleResult
from seodang.gate.verdict import OUTCOME_LABELS
from seodang.i18n import N_, Message

_REFERENCES = {"base": N_("base model"), "champion": N_("champion")}


@dataclass(frozen=True, slots=True)
class Reason:
    """The outcome of one rule in all languages."""

    passed: bool | None
    """None: the items do not decide the rule."""
    ko: str
    en: str


def build_reason(passed: bool | None, message: Message) -> Reason:
    """Return a reason with its text in all languages."""
    return Reason(passed, **message.to_json())


def build_rule_reason(result: RuleResult, confidence: float, minimum_items: int) -> Reason:
    """Return the outcome of a rule; for an undecided rule also the number of items that would decide it."""
    has_interval = result.low is not None and result.high is not None
    message = Message(
        "{metric}{group} {outcome}: {against} {reference:.4f} → candidate {candidate:.4f}, "
        "difference {difference:+.4f}, {confidence:.0%} interval {interval}, corrected p {p}, {items} items ({requirement})",
        {
            "metric": result.metric,
            "group": f" [{result.group}]" if result.group else "",
            "outcome": Message(OUTCOME_LABELS[result.passed]),
            "against": result.against,
            "reference": result.reference,
            "candidate": result.candidate,
            "difference": result.difference,
            "confidence": confidence,
            "interval": f"[{result.low:+.4f}, {result.high:+.4f}]" if has_interval else Message("none"),
            "p": _format_p(result.p_holm),
            "items": result.items,
            "requirement": result.kind.describe_requirement(result.margin),
        },
    )
    if result.passed is None:
        hint = _describe_required_items(result, minimum_items)
        message = Message("{reason}. {hint}", {"reason": message, "hint": hint})
    return build_reason(result.passed, message)


def _describe_required_items(result: RuleResult, minimum_items: int) -> Message:
    """Return how many items would decide the rule."""
    if result.required_items is None:
        return Message("The difference equals the bound, so more items do not decide the rule")
    if result.items < minimum_items:
        return Message(
            "About {count} items would decide the rule (gate.minimum_items is {minimum})",
            {"count": result.required_items, "minimum": minimum_items},
        )
    return Message("About {count} items would decide the rule", {"count": result.required_items})


def _format_p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def build_minimum_reason(metric: str, mean: float, minimum: float, items: int) -> Reason:
    """Return whether the candidate's mean reaches its minimum."""
    passed = mean >= minimum
    message = Message(
        "{metric} {outcome}: candidate {mean:.4f} (minimum {minimum:g}, {items} items)",
        {
            "metric": metric,
            "outcome": Message(OUTCOME_LABELS[passed]),
            "mean": mean,
            "minimum": minimum,
            "items": items,
        },
    )
    return build_reason(passed, message)


def build_missing_reference_reason(kind: str) -> Reason:
    """Return that the rules against a reference do not apply, because it does not exist."""
    message = Message(
        "there is no {reference}: the rules against it do not apply", {"reference": Message(_REFERENCES[kind])}
    )
    return build_reason(True, message)
