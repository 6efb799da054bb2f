"""Read the tasks of a reply, whichever of both forms the teacher chose. Pure."""

from __future__ import annotations

import re
from typing import Final

from seodang.synthesis.calls import Reply
from seodang.synthesis.numbered_list import parse_numbered_list
from seodang.synthesis.task_json import is_json, parse_task_json
from seodang.synthesis.tasks import BrokenTask, Field, ParsedReply

# Finish reasons in lower case. OpenAI's API has "length"; endpoints in front of another API pass on its own name.
_CUT_REASONS: Final = frozenset(
    {
        *("length", "max_tokens", "max_output_tokens", "max_length", "model_length", "token_limit", "incomplete"),
        *("context_length_exceeded", "model_context_window_exceeded", "insufficient_system_resource"),
        *("error", "abort", "aborted", "cancelled", "canceled", "timeout"),
    }
)
# Reasoning before an answer. A chat template may open it in the prompt: the reply then has its end alone.
_THOUGHT: Final = re.compile(
    r"\s*(?:<(?P<tag>think|thinking|thought)>.*?(?:</(?P=tag)>|\Z)|\[THINK\].*?(?:\[/THINK\]|\Z))",
    re.DOTALL | re.IGNORECASE,
)
_THOUGHT_END: Final = "</think>"


def is_cut(reply: Reply) -> bool:
    """Return whether a reply ended at the maximum number of tokens, or the endpoint broke it off."""
    return reply.finish_reason.lower() in _CUT_REASONS


def drop_thought(text: str) -> str:
    """Return a reply without the reasoning before it; "" if it ends in its reasoning."""
    while match := _THOUGHT.match(text):
        text = text[match.end() :]
    thought, end, answer = text.partition(_THOUGHT_END)
    return answer if end and "<think>" not in thought else text


def parse_reply(reply: Reply, fields: tuple[Field, ...], *, first: int) -> ParsedReply:
    """Return the tasks of a reply, in JSON or as a numbered list; a reply without any part of a task is broken.

    Args:
        reply: The reply.
        fields: Of a task, in the order of the numbered list.
        first: Number of the first task where the reply does not say it.
    """
    text = drop_thought(reply.text)
    if not text.strip():
        return _break_whole(reply, find_blank_reason(reply), "")
    parsers = (parse_task_json, parse_numbered_list) if is_json(text) else (parse_numbered_list, parse_task_json)
    parsed, other = (parse(text, fields, first=first, is_cut=is_cut(reply)) for parse in parsers)
    if other.tasks and not parsed.tasks:  # such as JSON below a remark
        return other
    if parsed.tasks or parsed.broken:
        return parsed
    return _break_whole(reply, "cut" if is_cut(reply) else "unparsable", "no task was found")


def find_blank_reason(reply: Reply) -> str:
    """Return why a reply has no text: it is empty, or it was cut in its reasoning."""
    return "cut" if is_cut(reply) and reply.text.strip() else "empty"


def _break_whole(reply: Reply, reason: str, detail: str) -> ParsedReply:
    return ParsedReply(tasks=(), broken=(BrokenTask(reason=reason, detail=detail, raw=reply.text),))
