"""Render prompts: training, evaluation and serving build the same prompt from a request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Protocol

from seodang.config import PromptFormat
from seodang.errors import ChatTemplateError
from seodang.i18n import _
from seodang.prompt_templates import PROMPT_TEMPLATES, PromptTemplate, TemplateTexts
from seodang.records import Record, Turn

# Roles whose messages the model reads; the messages of other roles are its own answers.
_USER_ROLES: Final = frozenset({"user", "tool"})

# Replaces the user's text while the tokenizer's chat template is rendered. The code points at its ends are for private
# use: no template and no user text gives them a meaning. Between them stands what a template must not change.
_PLACEHOLDER_START: Final = "\ue000{}"
_PLACEHOLDER: Final = (
    _PLACEHOLDER_START + " \"Aa\" 'b' <b>&amp; {{{{x}}}} https://a.kr/?b=1\n\n- 한글\tÉ %d \\n 1_000.50\ue001"
)
_PROBES: tuple[dict[str, Any], ...] = (
    {"instruction": "가나다 ABC?", "input": ""},
    {"instruction": "가나다 ABC?", "input": "라마바 DEF."},
    {
        "instruction": "가?",
        "input": "",
        "system": "나.",
        "turns": (Turn(role="user", content="다?"), Turn(role="assistant", content="라.")),
    },
)


class ChatTemplate(Protocol):
    """A tokenizer that renders its model's chat template."""

    def apply_chat_template(self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool) -> Any:
        """Return the rendered conversation."""
        ...


class Segment(NamedTuple):
    """A part of a prompt that is tokenized separately. A tuple, because each record creates a handful of them."""

    text: str
    control: bool
    """True: markers in the text become control tokens. False: they stay plain text."""
    is_label: bool
    """Whether training computes a loss on it.

    Labels are answers, and in a control segment the end token of the answer before it.
    """
    continues: bool = False
    """Whether the tokenizer adds no blank before the text, because other text stands there; set for tokenization."""


class Renderer:
    """Renders requests in one format. It renders a chat template once for each order of roles, not for each record."""

    def __init__(self, format: PromptFormat, tokenizer: ChatTemplate | None = None) -> None:
        """Create a renderer.

        Args:
            format: Name of the prompt template.
            tokenizer: Holds the chat template; other formats do not need it.
        """
        self._template = PROMPT_TEMPLATES[format]
        if self._template.needs_tokenizer and tokenizer is None:
            raise ValueError(f"format {format!r} needs the tokenizer that holds the template")
        self._tokenizer = tokenizer
        self._frames: dict[tuple[str, ...], _Frame] = {}
        self._answer_prefix: str | None = None

    def render_prompt(
        self, instruction: str, input: str, *, system: str = "", turns: Sequence[Turn] = ()
    ) -> tuple[Segment, ...]:
        """Return the prompt of a request; the function `render_prompt` describes the arguments."""
        if self._template.texts is not None:
            return _render_text(instruction, input, self._template, self._template.texts, system, turns)
        request = Turn(role="user", content=f"{instruction}\n\n{input}" if input else instruction)
        return self._render_chat(_build_messages(system, [*turns, request]) if system or turns else [request])

    def render_record(self, record: Record) -> tuple[Segment, ...]:
        """Return the prompt of a record, including its earlier conversation."""
        return self.render_prompt(record.instruction, record.input, system=record.system, turns=record.turns)

    def render_example(self, record: Record) -> tuple[Segment, ...]:
        """Return the prompt and the answer of a record, as training reads them; the end token follows them."""
        return (*self.render_record(record), self.render_answer(record.output))

    def render_answer(self, output: str) -> Segment:
        """Return the answer to the last request; the end token follows it."""
        if self._answer_prefix is None:
            self._answer_prefix = find_answer_prefix(self._template.name, self._tokenizer)
        return Segment(self._answer_prefix + output, control=False, is_label=_has_content(output))

    def _render_chat(self, messages: list[Turn]) -> tuple[Segment, ...]:
        assert self._tokenizer is not None
        roles = tuple([message.role for message in messages])
        if roles not in self._frames:
            self._frames[roles] = _build_frame(roles, self._tokenizer)
        frame = self._frames[roles]
        return _fill_frame(frame, messages if frame.supports_system else _merge_system_message(messages))


def render_prompt(
    instruction: str,
    input: str,
    format: PromptFormat,
    tokenizer: ChatTemplate | None = None,
    *,
    system: str = "",
    turns: Sequence[Turn] = (),
) -> tuple[Segment, ...]:
    """Return the prompt of a request as segments that are tokenized separately.

    User text always stands in segments without control tokens, so a user cannot
    write a turn marker into a prompt. Each earlier answer has its own segment:
    training can then compute a loss on it, and every reader gets the same tokens.

    Args:
        instruction: The current request.
        input: Further context; "" for none.
        format: Name of the prompt template.
        tokenizer: Holds the chat template; other formats do not need it.
        system: Text before the conversation; "" for none.
        turns: Earlier conversation, oldest turn first.
    """
    return Renderer(format, tokenizer).render_prompt(instruction, input, system=system, turns=turns)


def render_record(record: Record, format: PromptFormat, tokenizer: ChatTemplate | None = None) -> tuple[Segment, ...]:
    """Return the prompt of a record, including its earlier conversation."""
    return Renderer(format, tokenizer).render_record(record)


def _render_text(
    instruction: str, input: str, template: PromptTemplate, texts: TemplateTexts, system: str, turns: Sequence[Turn]
) -> tuple[Segment, ...]:
    without_input = not input
    segments: list[Segment] = []
    text = f"{texts.headers[without_input]}{system}\n\n" if system else texts.headers[without_input]
    for turn in turns:
        if turn.role in _USER_ROLES:
            text += f"{texts.tool if turn.role == 'tool' else texts.user}{turn.content}\n\n"
        else:
            segments.append(Segment(text + texts.assistant, control=False, is_label=False))
            segments.append(_build_answer_segment(turn.content, template, learned=turn.learned))
            text = "\n\n"
    text += texts.requests[without_input].format(instruction=instruction, input=input)
    return (*segments, Segment(text, control=False, is_label=False))


def _build_answer_segment(answer: str, template: PromptTemplate, *, learned: bool = True) -> Segment:
    return Segment(template.answer_prefix + answer, control=False, is_label=learned and _has_content(answer))


def _has_content(answer: str) -> bool:
    """Return whether an answer is a label; a model must not learn to answer nothing."""
    return bool(answer.strip())


def _build_messages(system: str, turns: Sequence[Turn]) -> list[Turn]:
    """Return the messages of a chat template; adjacent turns of a role are joined, as most templates demand.

    A joined answer is learned only if all its parts are.
    """
    messages = [Turn(role="system", content=system)] if system else []
    for turn in turns:
        role = "user" if turn.role in _USER_ROLES else "assistant"
        if messages and messages[-1].role == role:
            before = messages.pop()
            content, learned = f"{before.content}\n\n{turn.content}", before.learned and turn.learned
            messages.append(Turn(role=role, content=content, learned=learned))
        else:
            messages.append(turn if turn.role == role else replace(turn, role=role))
    return messages


def _merge_system_message(messages: list[Turn]) -> list[Turn]:
    """Return the messages with the system text at the beginning of the first question."""
    system, first, *rest = messages
    if first.role == "user":
        return [replace(first, content=f"{system.content}\n\n{first.content}"), *rest]
    return [replace(system, role="user"), *messages[1:]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Text that a chat template writes around the messages of one order of roles."""

    supports_system: bool
    """Whether the template accepts a system message."""
    order: tuple[int, ...]
    """Indices of the messages as the template writes them: Mistral's writes the system text before the last question."""
    prefixes: tuple[Segment, ...]
    """Text before each message, in this order."""
    suffix: Segment
    """Text after the last message; the model continues from it."""


def _build_frame(roles: tuple[str, ...], tokenizer: ChatTemplate) -> _Frame:
    try:
        return _probe_template(roles, tokenizer, supports_system=True)
    except ChatTemplateError:
        if roles[0] != "system" or len(roles) == 1:
            raise
        # Some templates, such as Gemma's, reject a system message or omit it. Its text then begins the first question.
        messages = _merge_system_message([Turn(role=role, content="") for role in roles])
        return _probe_template(tuple(message.role for message in messages), tokenizer, supports_system=False)


def supports_system(tokenizer: ChatTemplate) -> bool:
    """Return whether the chat template accepts a system message."""
    return _build_frame(("system", "user"), tokenizer).supports_system


def _probe_template(roles: tuple[str, ...], tokenizer: ChatTemplate, *, supports_system: bool) -> _Frame:
    rendered = _render_probe(roles, tokenizer)
    placeholders = [_PLACEHOLDER.format(index) for index in range(len(roles))]
    for index, role in enumerate(roles):
        _check_message(rendered, index, role)
    order = sorted(range(len(roles)), key=lambda index: rendered.index(placeholders[index]))
    prefixes: list[Segment] = []
    follows_answer = False
    for index in order:
        text, _placeholder, rendered = rendered.partition(placeholders[index])
        prefixes.append(Segment(text, control=True, is_label=follows_answer))
        follows_answer = roles[index] == "assistant"
    return _Frame(
        supports_system=supports_system,
        order=tuple(order),
        prefixes=tuple(prefixes),
        suffix=Segment(rendered, control=True, is_label=False),
    )


def _render_probe(roles: tuple[str, ...], tokenizer: ChatTemplate) -> str:
    messages = [{"role": role, "content": _PLACEHOLDER.format(index)} for index, role in enumerate(roles)]
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
    if count == 1 and _PLACEHOLDER.format(index) in rendered:
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


def _fill_frame(frame: _Frame, messages: list[Turn]) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    has_label = True
    for prefix, index in zip(frame.prefixes, frame.order, strict=True):
        role, content, learned = messages[index].role, messages[index].content, messages[index].learned
        # The end token of an answer that is no label is no label either.
        segments.append(prefix if has_label or not prefix.is_label else prefix._replace(is_label=False))
        is_answer = role == "assistant"
        has_label = not is_answer or (learned and _has_content(content))
        segments.append(Segment(content, False, is_answer and has_label))
    return (*segments, frame.suffix)


def render_answer(output: str, format: PromptFormat, tokenizer: ChatTemplate | None = None) -> str:
    """Return the text after the prompt; the end token follows it."""
    return find_answer_prefix(format, tokenizer) + output


def find_answer_prefix(format: PromptFormat, tokenizer: ChatTemplate | None = None) -> str:
    """Return the text between prompt and answer.

    Some chat templates, such as Llama 2's, write a blank before an answer that is not part of the prompt. The model
    generates it. Other text, such as an empty thought, is none: the answers of Seodang's records have no thoughts.
    """
    template = PROMPT_TEMPLATES[format]
    if not template.needs_tokenizer or tokenizer is None:
        return template.answer_prefix
    question, answer = ({"role": role, "content": _PLACEHOLDER.format(role)} for role in ("user", "assistant"))
    try:
        prompt = tokenizer.apply_chat_template([question], tokenize=False, add_generation_prompt=True)
        example = tokenizer.apply_chat_template([question, answer], tokenize=False, add_generation_prompt=False)
    except Exception:  # a template raises errors of any class; rendering a prompt reports them
        return template.answer_prefix
    before, _, _ = str(example).partition(answer["content"])
    prefix = before.removeprefix(str(prompt))
    return prefix if before.startswith(str(prompt)) and prefix.isspace() else template.answer_prefix


def compute_fingerprint(format: PromptFormat, tokenizer: ChatTemplate | None = None) -> str:
    """Return the sha256 of the prompts that the renderer builds from fixed requests.

    It is stored with the weights. A service refuses to start if its renderer has another fingerprint.
    """
    rendered = [
        [(segment.text, segment.control) for segment in render_prompt(**probe, format=format, tokenizer=tokenizer)]
        for probe in _PROBES
    ]
    text = json.dumps([format, render_answer("x", format, tokenizer), rendered], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def replace_surrogates(text: str) -> str:
    """Return the text with lone surrogates replaced by "?".

    A tokenizer fails on them; a rule of stage `validate` reports them.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
