"""How a model writes calls of tools, found by rendering a call with its own chat template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from transformers import PreTrainedTokenizerBase

from seodang.packaging.chat_template import get_own_template

_NAMES: Final = ("probe_name_a", "probe_name_b")
_ARGUMENTS: Final = re.compile(r'\{\s*"probe_key":\s*"probe_value"\s*\}')
_TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "probe_tool",
        "description": "probe_description",
        "parameters": {
            "type": "object",
            "properties": {"probe_key": {"type": "string", "description": "probe"}},
            "required": ["probe_key"],
        },
    },
}


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """The texts around a call's name and its arguments, which are JSON."""

    begin: str
    """Before the name of the first call."""
    middle: str
    """Between the name and the arguments."""
    separator: str | None
    """Between the arguments of a call and the name of the next one; None: an answer has one call."""
    end: str
    """After the arguments of the last call."""

    @property
    def trigger(self) -> str:
        """Return what a call begins with: a marker, or the brace of its JSON."""
        match = re.match(r"[^\n{\[]+", self.begin)
        return match[0].rstrip() if match else self.begin[:1]

    @property
    def has_marker(self) -> bool:
        """Return whether text may stand before a call."""
        return self.trigger[:1] not in ("{", "[") or len(self.trigger) > 1


def find_tool_format(tokenizer: PreTrainedTokenizerBase, end_token: str) -> ToolFormat | None:
    """Return how the model writes calls; None if its chat template has no tools, or no calls in JSON.

    Args:
        tokenizer: Of the packaged model.
        end_token: Text of the token that ends an answer.
    """
    template = get_own_template(str(tokenizer.chat_template or ""))
    try:
        return _probe(tokenizer, template, end_token)
    except Exception:  # a template raises errors of any class
        return None


def _probe(tokenizer: PreTrainedTokenizerBase, template: str, end_token: str) -> ToolFormat | None:
    if "probe_description" not in _render(tokenizer, template, []):
        return None
    header = _render(tokenizer, template, [], prompt=True).removeprefix(_render(tokenizer, template, []))
    one = _split(_render(tokenizer, template, _NAMES[:1]), _NAMES[:1])
    if one is None or header not in one[0]:
        return None
    begin = one[0].rpartition(header)[2].lstrip()
    if not begin:
        return None
    end = one[-1].partition(end_token)[0].rstrip()
    try:
        two = _split(_render(tokenizer, template, _NAMES), _NAMES)
    except Exception:  # a template that allows one call raises an error of its own
        two = None
    separator = two[2] if two is not None and two[1] == two[3] == one[1] and two[-1].startswith(end) else None
    return ToolFormat(begin, one[1], separator, end)


def _render(tokenizer: PreTrainedTokenizerBase, template: str, names: Sequence[str], *, prompt: bool = False) -> str:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "probe_question"}]
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
            {"role": "tool", "name": call["function"]["name"], "tool_call_id": call["id"], "content": "probe_result"}  # type: ignore[index]
            for call in calls
        ]
        messages.append({"role": "user", "content": "probe_question"})  # some templates write a thought after the last
    return str(
        tokenizer.apply_chat_template(
            messages, [_TOOL], chat_template=template, tokenize=False, add_generation_prompt=prompt
        )
    )


def _split(rendered: str, names: Sequence[str]) -> list[str] | None:
    """Return the texts before each name, before its arguments, and after the last ones."""
    parts: list[str] = []
    for name in names:
        before, found, rest = rendered.partition(name)
        match = _ARGUMENTS.search(rest)
        if not found or match is None:
            return None
        parts += [before, rest[: match.start()]]
        rendered = rest[match.end() :]
    return [*parts, rendered]
