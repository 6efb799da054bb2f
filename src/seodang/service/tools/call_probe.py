"""Find how a model writes calls of tools, by rendering calls with its own chat template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from transformers import PreTrainedTokenizerBase

from seodang.i18n import _
from seodang.packaging.chat_template import get_own_template
from seodang.service.tools.call_format import ID, ToolFormat

_NAMES: Final = ("probe_name_a", "probe_name_b", "probe_name_c")
_QUESTION, _RESULT, _DESCRIPTION = "probe_question", "probe_result", "probe_description"
_IDS: Final = re.compile(r"probe000\d")
_ARGUMENTS: Final = re.compile(r'\{\s*"probe_key":\s*"probe_value"\s*\}')
_THOUGHT: Final = re.compile(r"<think>\s*</think>\s*")  # an empty one, which a template writes into earlier answers
_MAX_SAMPLE: Final = 160
_TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "probe_tool",
        "description": _DESCRIPTION,
        "parameters": {
            "type": "object",
            "properties": {"probe_key": {"type": "string", "description": "probe"}},
            "required": ["probe_key"],
        },
    },
}


class ToolsUnsupported(Exception):
    """The model's template has no tools, or its calls cannot be read; the message says why."""


def find_tool_format(tokenizer: PreTrainedTokenizerBase, end_token: str) -> ToolFormat:
    """Return how the model writes calls.

    Args:
        tokenizer: Of the packaged model.
        end_token: Text of the token that ends an answer.

    Raises:
        ToolsUnsupported: If its chat template has no tools, or no calls with arguments in JSON.
    """
    template = get_own_template(str(tokenizer.chat_template or ""))
    try:
        prompt = _render(tokenizer, template, [], prompt=True)
    except Exception as error:  # a template raises errors of any class
        raise _build_failure(error) from error
    if _DESCRIPTION not in prompt:
        raise ToolsUnsupported(_("the chat template of this model has no tools"))
    try:
        call = _render_calls(tokenizer, template, 1)
    except Exception as error:
        raise _build_failure(error) from error
    one = _split(call, 1)
    if one is None:
        raise _describe_call(call)
    begin = _find_begin(prompt.rpartition(_QUESTION)[2], one[0])
    end = one[-1].partition(end_token)[0].rstrip()
    if not begin or end_token not in one[-1] or _RESULT in end:
        raise _describe_call(call)
    return ToolFormat(begin, one[1], _find_separator(tokenizer, template, one[1], end), end)


def _find_begin(header: str, before: str) -> str:
    """Return what stands before the name of a call.

    Args:
        header: What a prompt has after the question.
        before: What a conversation with a call has before the name.

    Raises:
        ToolsUnsupported: If the call does not follow the beginning of an answer.
    """
    _question, found, begin = before.rpartition(_QUESTION + header)
    if not found:
        if "think" in header.lower():
            raise ToolsUnsupported(_("the prompt of this model begins a thought; calls after it are not read"))
        raise ToolsUnsupported(_("the chat template of this model writes calls elsewhere than in answers"))
    return _THOUGHT.sub("", begin.lstrip(), count=1)


def _find_separator(tokenizer: PreTrainedTokenizerBase, template: str, middle: str, end: str) -> str | None:
    """Return what stands between two calls; None if an answer has one call, or calls have numbers."""
    try:
        parts = _split(_render_calls(tokenizer, template, 3), 3)
    except Exception:  # a template that allows one call raises an error of its own
        return None
    if parts is None or not parts[-1].startswith(end):
        return None
    return parts[2] if parts[2] == parts[4] and {parts[1], parts[3], parts[5]} == {middle} else None


def _render_calls(tokenizer: PreTrainedTokenizerBase, template: str, count: int) -> str:
    """Return a conversation with calls; templates that want an answer after the results get one."""
    names = _NAMES[:count]
    try:
        rendered = _render(tokenizer, template, names)
    except Exception:  # a template raises errors of any class
        rendered = _render(tokenizer, template, names, reply=[{"role": "assistant", "content": "probe_answer"}])
    return _IDS.sub(ID, rendered)


def _render(
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    names: Sequence[str],
    *,
    reply: Sequence[dict[str, Any]] = (),
    prompt: bool = False,
) -> str:
    messages: list[dict[str, Any]] = [{"role": "user", "content": _QUESTION}]
    if names:
        calls = [
            {
                "id": f"probe000{index}",
                "type": "function",
                "function": {"name": name, "arguments": {"probe_key": "probe_value"}},
            }
            for index, name in enumerate(names)
        ]
        messages.append({"role": "assistant", "content": "", "tool_calls": calls})
        messages += [
            {"role": "tool", "name": call["function"]["name"], "tool_call_id": call["id"], "content": _RESULT}  # type: ignore[index]
            for call in calls
        ]
        messages += [*reply, {"role": "user", "content": _QUESTION}]  # some templates write a thought after the last
    return str(
        tokenizer.apply_chat_template(
            messages, [_TOOL], chat_template=template, tokenize=False, add_generation_prompt=prompt
        )
    )


def _split(rendered: str, count: int) -> list[str] | None:
    """Return the texts before each name, before its arguments, and after the last ones."""
    parts: list[str] = []
    for name in _NAMES[:count]:
        before, found, rest = rendered.partition(name)
        match = _ARGUMENTS.search(rest)
        if not found or match is None:
            return None
        parts += [before, rest[: match.start()]]
        rendered = rest[match.end() :]
    return [*parts, rendered]


def _describe_call(rendered: str) -> ToolsUnsupported:
    """Return the error of calls that are not read, with a sample."""
    before, found, after = rendered.partition(_NAMES[0])
    if not found:
        return ToolsUnsupported(_("the chat template of this model describes tools, but writes no calls"))
    begin = before.rpartition(_QUESTION)[2]
    sample = (begin + found + after.partition(_RESULT)[0])[:_MAX_SAMPLE].strip()
    return ToolsUnsupported(
        _("the chat template of this model writes calls in a way that is not read: {call}", call=sample.replace(ID, ""))
    )


def _build_failure(error: Exception) -> ToolsUnsupported:
    return ToolsUnsupported(
        _("the chat template of this model cannot write a call of a tool: {error}", error=str(error)[:_MAX_SAMPLE])
    )
