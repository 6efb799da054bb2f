"""Notes of a verdict about scores that no rule and no threshold judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Final

from seodang.gate.comparisons import Comparison
from seodang.gate.coverage import TrainedTask
from seodang.gate.differences import read_score_difference
from seodang.gate.messages import (
    REFERENCE_LABELS,
    Reason,
    build_reason,
    describe_items,
    format_confidence,
    format_interval,
)
from seodang.gate.rules import describe_subject
from seodang.gate.unjudged import UnjudgedChange
from seodang.i18n import Message

_MOST_NOTES: Final = 10  # a model that is worse everywhere would hide the rules' own reasons
_MOST_NAMES: Final = 20


def build_change_notes(changes: Sequence[UnjudgedChange]) -> list[Reason]:
    """Return a note for each clear change that no rule judges, up to ten."""
    notes = [_build_change_note(change) for change in changes[:_MOST_NOTES]]
    if len(changes) > _MOST_NOTES:
        message = Message(
            "{count} more of such changes; `unjudged` in the verdict's JSON lists all",
            {"count": len(changes) - _MOST_NOTES},
        )
        notes.append(build_reason(True, message, is_information=True))
    return notes


def _build_change_note(change: UnjudgedChange) -> Reason:
    result = change.result
    difference = read_score_difference(asdict(result))
    message = Message(
        "{subject} {finding}: {against} {reference:.4f} → candidate {candidate:.4f}, difference {difference:+.4f}, "
        "{confidence} interval {interval}, {items}. {coverage}",
        {
            "subject": describe_subject(result.metric, result.tasks, result.group),
            "finding": Message("is clearly worse") if change.is_worse else Message("changed clearly"),
            "against": result.against,
            "reference": result.reference,
            "candidate": result.candidate,
            "difference": difference.value,
            "confidence": format_confidence(result.confidence),
            "interval": format_interval(difference.low, difference.high, "+.4f"),
            "items": describe_items(result.items, result.independent_groups),
            "coverage": _describe_coverage(change),
        },
    )
    return build_reason(True, message, is_information=True)


def _describe_coverage(change: UnjudgedChange) -> Message:
    if change.coverage == "total":
        return Message("Rules judge these items only together with others")
    return Message(
        "No rule against the {reference} and no threshold judges it, so the verdict does not depend on it",
        {"reference": Message(REFERENCE_LABELS[change.kind])},
    )


def build_name_notes(tasks: Sequence[str], metrics: Sequence[str]) -> list[Reason]:
    """Return a note that names the tasks and the metrics that the verdict says nothing about; empty without any."""
    messages = []
    if tasks:
        messages.append(
            Message(
                "the verdict says nothing about the task {names}: no rule and no threshold looks at it",
                {"names": _join(tasks)},
                plural="the verdict says nothing about the tasks {names}: no rule and no threshold looks at them",
                count=len(tasks),
            )
        )
    if metrics:
        messages.append(
            Message(
                "no rule and no threshold uses the metric {names}",
                {"names": _join(metrics)},
                plural="no rule and no threshold uses the metrics {names}",
                count=len(metrics),
            )
        )
    return [build_reason(True, message, is_information=True) for message in messages]


def build_permission_notes(
    permitted: Iterable[str], comparisons: Mapping[str, Sequence[Comparison]], tasks: Iterable[TrainedTask]
) -> list[Reason]:
    """Return a note where gate.unjudged_tasks names a task that is neither trained nor scored, as a misspelt one is."""
    scored = {
        task
        for references in comparisons.values()
        for _name, pairs in references
        for each in pairs.values()
        for task in each.tasks
    }
    known = scored | {task.name for task in tasks}
    unknown = sorted({*permitted} - known)
    if not unknown:
        return []
    message = Message(
        "unjudged_tasks names {unknown}, which no score has; the tasks are {tasks}",
        {"unknown": _join(unknown), "tasks": _join(sorted(known))},
    )
    return [build_reason(True, message, is_information=True)]


def _join(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
