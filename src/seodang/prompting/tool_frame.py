"""Render a conversation with tools by the model's own chat template, with the user's texts in segments of their own.

A template writes texts as they are, or as JSON. Each text is replaced by a placeholder that contains a quotation mark,
and the backslashes before the mark show how often the template has escaped it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from seodang.errors import ChatTemplateError
from seodang.i18n import _
from seodang.prompting.chat_frame import build_template_error
from seodang.prompting.segment import Segment

_START, _END = "\ue000", "\ue001"  # for private use: no template gives them a meaning
_PLACEHOLDER: Final = re.compile(rf'{_START}(\d+)(\\*)"{_END}')


class ToolTemplate(Protocol):
    """A tokenizer that renders its model's chat template with tools."""

    def apply_chat_template(
        self, conversation: Any, tools: Any, *, chat_template: str, tokenize: bool, add_generation_prompt: bool
    ) -> Any:
        """Return the rendered conversation."""
        ...


class _Placeholders:
    """Replaces texts by placeholders, and finds them again."""

    def __init__(self, is_risky: Callable[[str], bool]) -> None:
        self._is_risky = is_risky
        self.texts: list[str] = []

    def hide(self, text: str) -> str:
        """Return the placeholder of a text; an empty text stays, as templates ask for it."""
        if not text:
            return text
        self.texts.append(text)
        return f'{_START}{len(self.texts) - 1}"{_END}'

    def hide_risky(self, value: Any) -> Any:
        """Return a JSON value with placeholders for texts that could become control tokens.

        Other texts stay, because templates compare some of them, such as the type of a parameter.
        """
        if isinstance(value, str):
            return self.hide(value) if _START in value or _END in value or self._is_risky(value) else value
        if isinstance(value, Mapping):
            return {self.hide_risky(key): self.hide_risky(item) for key, item in value.items()}
        return [self.hide_risky(item) for item in value] if isinstance(value, list) else value

    def split(self, rendered: str) -> tuple[Segment, ...]:
        """Return the segments of a rendered conversation."""
        segments: list[Segment] = []
        position = 0
        for match in _PLACEHOLDER.finditer(rendered):
            segments.append(Segment(rendered[position : match.start()], control=True, is_label=False))
            text = _escape(self.texts[int(match[1])], len(match[2]))
            segments.append(Segment(text, control=False, is_label=False))
            position = match.end()
        segments.append(Segment(rendered[position:], control=True, is_label=False))
        if any(_START in part.text or _END in part.text for part in segments if part.control):
            raise ChatTemplateError(_("the model's chat template changes the texts of tools or messages"))
        return tuple(segments)


def render_tool_conversation(
    tokenizer: ToolTemplate,
    template: str,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    is_risky: Callable[[str], bool],
) -> tuple[Segment, ...]:
    """Return the prompt of a conversation with tools.

    Args:
        tokenizer: Renders the template.
        template: The model's own chat template.
        messages: As templates read them: the arguments of calls are objects.
        tools: Descriptions of functions; empty for none.
        is_risky: Returns whether a text could become a control token, or complete one.

    Raises:
        ChatTemplateError: If the template fails.
    """
    placeholders = _Placeholders(is_risky)
    hidden = [
        {
            name: placeholders.hide(value) if name == "content" else placeholders.hide_risky(value)
            for name, value in message.items()
        }
        for message in messages
    ]
    hidden_tools = placeholders.hide_risky(list(tools))
    try:
        rendered = tokenizer.apply_chat_template(
            hidden, hidden_tools or None, chat_template=template, tokenize=False, add_generation_prompt=True
        )
    except Exception as error:  # a template raises errors of any class
        raise build_template_error([str(message["role"]) for message in messages], error) from error
    return placeholders.split(str(rendered))


def _escape(text: str, backslashes: int) -> str:
    """Return a text as a template wrote it; JSON in JSON has 1, 3, 7 backslashes before a quotation mark."""
    for _time in range((backslashes + 1).bit_length() - 1):
        text = json.dumps(text, ensure_ascii=False)[1:-1]
    return text
