"""Read the tasks of a reply, whichever of both forms the teacher chose. Pure."""

from __future__ import annotations

from seodang.synthesis.calls import Reply
from seodang.synthesis.numbered_list import parse_numbered_list
from seodang.synthesis.task_json import is_json, parse_task_json
from seodang.synthesis.tasks import BrokenTask, Field, ParsedReply

_CUT_REASON = "length"


def is_cut(reply: Reply) -> bool:
    """Return whether a reply ended at the maximum number of tokens."""
    return reply.finish_reason == _CUT_REASON


def parse_reply(reply: Reply, fields: tuple[Field, ...], *, first: int) -> ParsedReply:
    """Return the tasks of a reply, in JSON or as a numbered list; a reply without any part of a task is broken.

    Args:
        reply: The reply.
        fields: Of a task, in the order of the numbered list.
        first: Number of the first task where the reply does not say it.
    """
    if not reply.text.strip():
        return ParsedReply(tasks=(), broken=(BrokenTask(reason="empty", detail="", raw=reply.text),))
    parse = parse_task_json if is_json(reply.text) else parse_numbered_list
    parsed = parse(reply.text, fields, first=first, is_cut=is_cut(reply))
    if parsed.tasks or parsed.broken:
        return parsed
    reason = "cut" if is_cut(reply) else "unparsable"
    return ParsedReply(tasks=(), broken=(BrokenTask(reason=reason, detail="no task was found", raw=reply.text),))
