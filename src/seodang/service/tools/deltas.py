"""The parts of a chat's answer as OpenAI's deltas: content, and calls of tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from seodang.service.answers.reader import AnswerPart
from seodang.service.tools.calls import CallDelta, ToolCallReader
from seodang.service.tools.prompts import ToolPlan


class AnswerDeltas:
    """Turns the parts of one answer into deltas."""

    def __init__(self, plan: ToolPlan | None) -> None:
        """Create it.

        Args:
            plan: Of the tools; None: the answer is text.
        """
        self._reader: ToolCallReader | None = None
        if plan is not None and plan.format is not None:
            self._reader = ToolCallReader(plan.format, is_required=plan.is_required)

    def read(self, part: AnswerPart) -> Iterator[dict[str, Any]]:
        """Yield the deltas of a part."""
        if self._reader is None:
            if part.text:
                yield {"content": part.text}
            return
        for item in self._reader.push(part.text, is_end=part.finish_reason is not None):
            yield {"content": item} if isinstance(item, str) else {"tool_calls": [_format_call(item)]}

    def get_finish_reason(self, part: AnswerPart) -> str | None:
        """Return why an answer ended; a call that is cut does not count."""
        has_calls = self._reader is not None and self._reader.calls and not self._reader.is_inside
        return "tool_calls" if has_calls and part.finish_reason == "stop" else part.finish_reason


def join_deltas(deltas: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return content and calls of a complete answer."""
    content = "".join(delta.get("content", "") for delta in deltas)
    calls: list[dict[str, Any]] = []
    for delta in deltas:
        for part in delta.get("tool_calls", ()):
            if part["index"] == len(calls):
                calls.append({"id": part["id"], "type": "function", "function": dict(part["function"])})
            else:
                calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]
    return {"content": content or None, "tool_calls": calls} if calls else {"content": content}


def _format_call(delta: CallDelta) -> dict[str, Any]:
    if delta.id is None:
        return {"index": delta.index, "function": {"arguments": delta.arguments}}
    function = {"name": delta.name, "arguments": delta.arguments}
    return {"index": delta.index, "id": delta.id, "type": "function", "function": function}
