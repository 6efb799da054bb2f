"""Give several tasks to one call, and give its reply back to them: each task gets a text or one reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seodang.synthesis.calls import Call, Failure, Outcome, Refusal, Rejection, Reply
from seodang.synthesis.task_reply import is_cut, parse_reply
from seodang.synthesis.tasks import BrokenTask, Field, ParsedReply, ParsedTask


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of the tasks of one call."""

    tasks: Mapping[int, ParsedTask]
    """By number of the task in the call, from 1."""
    rejections: tuple[Rejection, ...]
    """One for each other task, and one for each part of the reply that belongs to no task."""


def reject_refusal(call: Call, refusal: Refusal) -> Rejection:
    """Return the rejection of a call that the teacher declined."""
    return Rejection(keys=(call.key,), reason="refused", detail=refusal.reason, text=refusal.text)


def reject_part(call: Call, part: BrokenTask) -> Rejection:
    """Return the rejection of a part of a reply that is no task."""
    return Rejection(keys=(call.key,), reason=part.reason, detail=part.detail, text=part.raw)


def resolve_batch(call: Call, outcome: Outcome, fields: tuple[Field, ...], count: int) -> Resolved:
    """Return the tasks of a reply by number.

    Args:
        call: The call, which gave the tasks 1 to `count`.
        outcome: What came of it; nothing becomes of the tasks of a Failure, which the run itself writes down.
        fields: That the reply has for each task.
        count: Number of tasks.
    """
    if isinstance(outcome, Failure):
        return Resolved({}, ())
    if isinstance(outcome, Refusal):
        first = reject_refusal(call, outcome)
        return Resolved({}, (first, *(_reject_missing(call, number, "refused") for number in range(2, count + 1))))
    return _resolve_reply(call, outcome, parse_reply(outcome, fields, first=1), count)


def _resolve_reply(call: Call, reply: Reply, parsed: ParsedReply, count: int) -> Resolved:
    tasks: dict[int, ParsedTask] = {}
    rejections: list[Rejection] = []
    for task in parsed.tasks:
        if task.number in tasks or not 1 <= task.number <= count:
            reason = "repeated_number" if task.number in tasks else "unknown_number"
            rejections.append(Rejection(keys=(call.key,), reason=reason, detail=f"task {task.number}", text=task.raw))
        else:
            tasks[task.number] = task
    missing = [number for number in range(1, count + 1) if number not in tasks]
    for part in parsed.broken:
        if part.number in missing:
            missing.remove(part.number)
        elif missing:  # a part without a number stands for the first task that is missing
            missing.pop(0)
        rejections.append(reject_part(call, part))
    reason = "cut" if is_cut(reply) else "missing"
    rejections += [_reject_missing(call, number, reason) for number in missing]
    return Resolved(tasks, tuple(rejections))


def _reject_missing(call: Call, number: int, reason: str) -> Rejection:
    return Rejection(keys=(call.key,), reason=reason, detail=f"task {number}", text="")
