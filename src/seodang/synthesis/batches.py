"""Give several tasks to one call, and give its reply back to them: each task gets a text or one reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seodang.synthesis.calls import Call, Failure, Outcome, Refusal, Rejection, Reply
from seodang.synthesis.task_reply import drop_thought, find_blank_reason, is_cut, parse_reply
from seodang.synthesis.tasks import OUTPUT, BrokenTask, Field, ParsedReply, ParsedTask, clean_text


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of the tasks of one call, which are numbered from 1."""

    tasks: Mapping[int, ParsedTask]
    """By number."""
    rejections: tuple[tuple[int, Rejection], ...]
    """Number and reason of each other task; the number is 0 for a part of the reply that belongs to no task."""


def reject_refusal(call: Call, refusal: Refusal) -> Rejection:
    """Return the rejection of a call that the teacher declined."""
    return Rejection(keys=(call.key,), reason="refused", detail=refusal.reason, text=refusal.text)


def reject_part(call: Call, part: BrokenTask) -> Rejection:
    """Return the rejection of a part of a reply that is no task."""
    return Rejection(keys=(call.key,), reason=part.reason, detail=part.detail, text=part.raw)


def resolve_answer(call: Call, outcome: Outcome) -> Resolved:
    """Return the answer of a call that is the task itself: the reply after its reasoning, unless it is cut or empty."""
    if isinstance(outcome, Failure):
        return Resolved({}, ())
    if isinstance(outcome, Refusal):
        return Resolved({}, ((1, reject_refusal(call, outcome)),))
    output = clean_text(OUTPUT, drop_thought(outcome.text))
    if not output or is_cut(outcome):
        reason = "cut" if output else find_blank_reason(outcome)
        return Resolved({}, ((1, Rejection(keys=(call.key,), reason=reason, detail="", text=outcome.text)),))
    return Resolved({1: ParsedTask(number=1, texts={OUTPUT.name: output}, raw=outcome.text)}, ())


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
        others = ((number, _reject_missing(call, number, "refused")) for number in range(2, count + 1))
        return Resolved({}, ((1, reject_refusal(call, outcome)), *others))
    return _resolve_reply(call, outcome, parse_reply(outcome, fields, first=1), count)


def _resolve_reply(call: Call, reply: Reply, parsed: ParsedReply, count: int) -> Resolved:
    tasks: dict[int, ParsedTask] = {}
    rejections: list[tuple[int, Rejection]] = []
    for task in parsed.tasks:
        if task.number in tasks or not 1 <= task.number <= count:
            reason = "repeated_number" if task.number in tasks else "unknown_number"
            extra = Rejection(keys=(call.key,), reason=reason, detail=f"task {task.number}", text=task.raw)
            rejections.append((0, extra))
        else:
            tasks[task.number] = task
    missing = [number for number in range(1, count + 1) if number not in tasks]
    for part in parsed.broken:
        # A part without a number stands for the first task that is missing.
        number = part.number if part.number in missing else missing[0] if missing and part.number is None else 0
        rejections.append((number or 0, reject_part(call, part)))
        missing = [other for other in missing if other != number]
    reason = "cut" if is_cut(reply) else "missing"
    rejections += [(number, _reject_missing(call, number, reason)) for number in missing]
    return Resolved(tasks, tuple(rejections))


def _reject_missing(call: Call, number: int, reason: str) -> Rejection:
    return Rejection(keys=(call.key,), reason=reason, detail=f"task {number}", text="")
