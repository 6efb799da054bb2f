"""The text that a tokenizer's chat template writes around messages, found with placeholders in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from seodang.errors import ChatTemplateError
from seodang.i18n import _
from seodang.prompting.segment import Segment, has_content
from seodang.records import Turn

# Replaces the user's text while the tokenizer's chat template is rendered. The code points at its ends are for private
# use: no template and no user text gives them a meaning. Between them stands what a template must not change.
_PLACEHOLDER_START: Final = "\ue000{}\ue004"  # the end: 1 is not the beginning of 10
PLACEHOLDER: Final = (
    _PLACEHOLDER_START + " \"Aa\" 'b' <b>&amp; {{{{x}}}} https://a.kr/?b=1\n- 한글\tÉ %d \\n 1_000.50\ue001"
)


class ChatTemplate(Protocol):
    """A tokenizer that renders its model's chat template."""

    def apply_chat_template(self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool) -> Any:
        """Return the rendered conversation."""
        ...


def merge_system_message(messages: list[Turn]) -> list[Turn]:
    """Return the messages with the system text at the beginning of the first question."""
    system, first, *rest = messages
    if first.role == "user":
        return [replace(first, content=f"{system.content}\n\n{first.content}"), *rest]
    return [replace(system, role="user"), *messages[1:]]


@dataclass(frozen=True, slots=True)
class Frame:
    """Text that a chat template writes around the messages of one order of roles."""

    supports_system: bool
    """Whether the template accepts a system message."""
    order: tuple[int, ...]
    """Indices of the messages in the template's order: Mistral's writes the system text before the last question."""
    prefixes: tuple[Segment, ...]
    """Text before each message, in this order."""
    suffix: Segment
    """Text after the last message; the model continues from it."""


def build_frame(roles: tuple[str, ...], tokenizer: ChatTemplate) -> Frame:
    """Return the text that the chat template writes around messages of these roles.

    Raises:
        ChatTemplateError: If the template fails on them, or omits, repeats or changes one.
    """
    try:
        return _probe_template(roles, tokenizer, supports_system=True)
    except ChatTemplateError:
        if roles[0] != "system" or len(roles) == 1:
            raise
        # Some templates, such as Gemma's, reject a system message or omit it. Its text then begins the first question.
        messages = merge_system_message([Turn(role=role, content="") for role in roles])
        return _probe_template(tuple(message.role for message in messages), tokenizer, supports_system=False)


def supports_system(tokenizer: ChatTemplate) -> bool:
    """Return whether the chat template accepts a system message."""
    return build_frame(("system", "user"), tokenizer).supports_system


def _probe_template(roles: tuple[str, ...], tokenizer: ChatTemplate, *, supports_system: bool) -> Frame:
    rendered = _render_probe(roles, tokenizer)
    placeholders = [PLACEHOLDER.format(index) for index in range(len(roles))]
    for index, role in enumerate(roles):
        _check_message(rendered, index, role)
    order = sorted(range(len(roles)), key=lambda index: rendered.index(placeholders[index]))
    prefixes: list[Segment] = []
    follows_answer = False
    for index in order:
        text, _placeholder, rendered = rendered.partition(placeholders[index])
        prefixes.append(Segment(text, control=True, is_label=follows_answer))
        follows_answer = roles[index] == "assistant"
    return Frame(
        supports_system=supports_system,
        order=tuple(order),
        prefixes=tuple(prefixes),
        suffix=Segment(rendered, control=True, is_label=False),
    )


def _render_probe(roles: tuple[str, ...], tokenizer: ChatTemplate) -> str:
    messages = [{"role": role, "content": PLACEHOLDER.format(index)} for index, role in enumerate(roles)]
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    except Exception as error:  # a template raises errors of any class
        raise build_template_error(roles, error) from error


def build_template_error(roles: Sequence[str], error: Exception) -> ChatTemplateError:
    """Return the error of a chat template that fails on a conversation.

    Args:
        roles: Roles of its messages.
        error: What the template raised.
    """
    return ChatTemplateError(
        _(
            "the model's chat template fails on the messages {roles}: {error}; correct the template, or set prompt.format"
            " to another format",
            roles=", ".join(roles),
            error=str(error).strip().partition("\n")[0] or type(error).__name__,
        )
    )


def _check_message(rendered: str, index: int, role: str) -> None:
    """Raise an error unless a rendered probe holds a message once and unchanged."""
    count = rendered.count(_PLACEHOLDER_START.format(index))
    if count == 1 and PLACEHOLDER.format(index) in rendered:
        return
    if count == 0:
        problem = _("the model's chat template omits message {number} ({role})", number=index + 1, role=role)
    elif count > 1:
        problem = _(
            "the model's chat template writes message {number} ({role}) {count} times",
            number=index + 1,
            role=role,
            count=count,
        )
    else:
        problem = _(
            "the model's chat template changes the text of message {number} ({role}), such as quotes, markup or blanks",
            number=index + 1,
            role=role,
        )
    raise ChatTemplateError(
        _("{problem}; correct the template, or set prompt.format to another format", problem=problem)
    )


def fill_frame(frame: Frame, messages: list[Turn]) -> tuple[Segment, ...]:
    """Return the segments of messages with the roles of the frame."""
    segments: list[Segment] = []
    has_label = True
    for prefix, index in zip(frame.prefixes, frame.order, strict=True):
        role, content, learned = messages[index].role, messages[index].content, messages[index].learned
        # The end token of an answer that is no label is no label either.
        segments.append(prefix if has_label or not prefix.is_label else prefix._replace(is_label=False))
        is_answer = role == "assistant"
        has_label = not is_answer or (learned and has_content(content))
        segments.append(Segment(content, False, is_answer and has_label))
    return (*segments, frame.suffix)
