"""The one renderer: training, evaluation and serving all turn a request into the same prompt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from seodang.config import PromptFormat
from seodang.records import Record, Turn

# Wording: README of tatsu-lab/stanford_alpaca, "Data Release".
_ALPACA_HEADER = "Below is an instruction that describes a task{pairing}. Write a response that appropriately completes the request.\n\n"
_ALPACA_INPUT_HEADER = _ALPACA_HEADER.format(pairing=", paired with an input that provides further context")


@dataclass(frozen=True, slots=True)
class _PromptTemplate:
    """One text format: a head, a heading before each turn, and what the last request looks like."""

    headers: tuple[str, str]  # with input, without
    requests: tuple[str, str]
    user: str  # before a question of the conversation so far
    assistant: str  # before an answer of it
    tool: str  # before what a tool gave back


_PROMPT_TEMPLATES = {
    "alpaca": _PromptTemplate(
        headers=(_ALPACA_INPUT_HEADER, _ALPACA_HEADER.format(pairing="")),
        requests=(
            "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:",
            "### Instruction:\n{instruction}\n\n### Response:",
        ),
        user="### Instruction:\n",
        assistant="### Response:",
        tool="### Input:\n",
    ),
    # Wording: README of Beomi/KoAlpaca.
    "koalpaca": _PromptTemplate(
        headers=("", ""),
        requests=("### 질문: {instruction}\n\n### 맥락: {input}\n\n### 답변:", "### 질문: {instruction}\n\n### 답변:"),
        user="### 질문: ",
        assistant="### 답변:",
        tool="### 맥락: ",
    ),
    # The bare request, for a base model that was never tuned to a format.
    "plain": _PromptTemplate(
        headers=("", ""), requests=("{instruction}\n{input}\n", "{instruction}"), user="", assistant="", tool=""
    ),
}

# What stands between the prompt and the answer. It belongs to the answer's side, because
# byte-level tokenizers join a blank to the word that follows it.
_ANSWER_PREFIX: dict[PromptFormat, str] = {"alpaca": "", "koalpaca": " ", "chat": "", "plain": " "}

# Roles of those who speak to the model; what the others say, the model said.
_USER_ROLES = frozenset({"user", "tool"})

# Stands in for the user's text while the model's own template is rendered. Private-use
# code points: no template and no user text has a meaning for them.
_PLACEHOLDER = "\ue000{}\ue001"
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
    """What a tokenizer offers to render its model's own chat template."""

    def apply_chat_template(self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool) -> Any:
        """Return the rendered conversation."""
        ...


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a prompt, tokenised by itself."""

    text: str
    control: bool  # True: markers in it are control tokens; False: they are plain text
    is_label: (
        bool  # whether training learns it: an answer, or of a control segment the token that ends the answer before it
    )


class Renderer:
    """Renders requests in one format; the chat template is asked once for each order of roles, not for each record."""

    def __init__(self, format: PromptFormat, template: ChatTemplate | None = None) -> None:
        """Take the wording, and for "chat" the tokenizer that holds the template."""
        if format == "chat" and template is None:
            raise ValueError("format 'chat' needs the tokenizer that holds the template")
        self._format: PromptFormat = format
        self._template = template
        self._frames: dict[tuple[str, ...], _Frame] = {}

    def render_prompt(
        self, instruction: str, input: str, *, system: str = "", turns: Sequence[Turn] = ()
    ) -> tuple[Segment, ...]:
        """Return the prompt of one request; the arguments are those of render_prompt."""
        if self._template is None or self._format != "chat":
            return _render_text(instruction, input, self._format, system, turns)
        request = f"{instruction}\n\n{input}" if input else instruction
        return self._render_chat(_build_messages(system, [*turns, Turn(role="user", content=request)]), self._template)

    def render_record(self, record: Record) -> tuple[Segment, ...]:
        """Return the prompt of a record, with the conversation that leads up to it."""
        return self.render_prompt(record.instruction, record.input, system=record.system, turns=record.turns)

    def render_example(self, record: Record) -> tuple[Segment, ...]:
        """Return all that training reads of a record: prompt and answer; the end token comes after them."""
        return (
            *self.render_record(record),
            Segment(render_answer(record.output, self._format), control=False, is_label=_has_content(record.output)),
        )

    def _render_chat(self, messages: list[tuple[str, str]], template: ChatTemplate) -> tuple[Segment, ...]:
        roles = tuple(role for role, _ in messages)
        if roles not in self._frames:
            self._frames[roles] = _build_frame(roles, template)
        frame = self._frames[roles]
        return _fill_frame(frame, messages if frame.supports_system else _merge_system_message(messages))


def render_prompt(
    instruction: str,
    input: str,
    format: PromptFormat,
    template: ChatTemplate | None = None,
    *,
    system: str = "",
    turns: Sequence[Turn] = (),
) -> tuple[Segment, ...]:
    """Return the prompt of one request, ready to be tokenised segment by segment.

    User text always stands in segments without control tokens, so nobody can
    write a turn marker into a prompt. Each earlier answer is a segment of its
    own, so that training can learn it and every reader gets the same tokens.

    Args:
        instruction: What is asked now.
        input: Further context; "" when there is none.
        format: The wording.
        template: The tokenizer; needed for "chat" only.
        system: What stands before the conversation; "" when there is nothing.
        turns: The conversation so far, oldest first.
    """
    return Renderer(format, template).render_prompt(instruction, input, system=system, turns=turns)


def render_record(record: Record, format: PromptFormat, template: ChatTemplate | None = None) -> tuple[Segment, ...]:
    """Return the prompt of a record, with the conversation that leads up to it."""
    return Renderer(format, template).render_record(record)


def _render_text(
    instruction: str, input: str, format: PromptFormat, system: str, turns: Sequence[Turn]
) -> tuple[Segment, ...]:
    prompt_template, without_input = _PROMPT_TEMPLATES[format], not input
    segments: list[Segment] = []
    text = f"{prompt_template.headers[without_input]}{system}\n\n" if system else prompt_template.headers[without_input]
    for turn in turns:
        if turn.role in _USER_ROLES:
            text += f"{prompt_template.tool if turn.role == 'tool' else prompt_template.user}{turn.content}\n\n"
        else:
            segments.append(Segment(text + prompt_template.assistant, control=False, is_label=False))
            segments.append(
                Segment(render_answer(turn.content, format), control=False, is_label=_has_content(turn.content))
            )
            text = "\n\n"
    text += prompt_template.requests[without_input].format(instruction=instruction, input=input)
    return (*segments, Segment(text, control=False, is_label=False))


def _has_content(answer: str) -> bool:
    """Return whether there is anything to learn; a model must not learn to say nothing."""
    return bool(answer.strip())


def _build_messages(system: str, turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """Return role and content of each message; neighbours of one role become one, as most templates demand."""
    messages: list[tuple[str, str]] = [("system", system)] if system else []
    for turn in turns:
        role = "user" if turn.role in _USER_ROLES else "assistant"
        if messages and messages[-1][0] == role:
            messages[-1] = (role, f"{messages[-1][1]}\n\n{turn.content}")
        else:
            messages.append((role, turn.content))
    return messages


def _merge_system_message(messages: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the messages with the system text as the beginning of the first question."""
    (_, system), (role, first), *rest = messages
    return [("user", f"{system}\n\n{first}"), *rest] if role == "user" else [("user", system), *messages[1:]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a chat template writes around the messages of one order of roles."""

    supports_system: bool  # whether the template knows a system message
    prefixes: tuple[Segment, ...]  # each message
    suffix: Segment  # after the last, where the model goes on


def _build_frame(roles: tuple[str, ...], template: ChatTemplate) -> _Frame:
    try:
        return _probe_template(roles, template, supports_system=True)
    except Exception:
        if roles[0] != "system" or len(roles) == 1:
            raise
        # Templates such as Gemma's know no system message and raise, or leave it out: there it leads the first question.
        messages = _merge_system_message([(role, "") for role in roles])
        return _probe_template(tuple(role for role, _ in messages), template, supports_system=False)


def _probe_template(roles: tuple[str, ...], template: ChatTemplate, *, supports_system: bool) -> _Frame:
    messages = [{"role": role, "content": _PLACEHOLDER.format(number)} for number, role in enumerate(roles)]
    rendered = template.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    prefixes: list[Segment] = []
    for number, role in enumerate(roles):
        text, placeholder, rendered = rendered.partition(_PLACEHOLDER.format(number))
        if not placeholder:
            raise ValueError(
                f"the model's chat template leaves out message {number + 1} ({role}); correct the template, or take another prompt.format"
            )
        prefixes.append(Segment(text, control=True, is_label=number > 0 and roles[number - 1] == "assistant"))
    return _Frame(
        supports_system=supports_system,
        prefixes=tuple(prefixes),
        suffix=Segment(rendered, control=True, is_label=False),
    )


def _fill_frame(frame: _Frame, messages: list[tuple[str, str]]) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    has_answer = True
    for prefix, (role, content) in zip(frame.prefixes, messages, strict=True):
        # After an empty answer its end isn't learned either.
        segments.append(
            prefix if has_answer or not prefix.is_label else Segment(prefix.text, control=True, is_label=False)
        )
        has_answer = role != "assistant" or _has_content(content)
        segments.append(Segment(content, control=False, is_label=role == "assistant" and has_answer))
    return (*segments, frame.suffix)


def render_answer(output: str, format: PromptFormat) -> str:
    """Return the text that follows the prompt; the end token comes after it."""
    return _ANSWER_PREFIX[format] + output


def compute_fingerprint(format: PromptFormat, template: ChatTemplate | None = None) -> str:
    """Return the sha256 of what the renderer makes of fixed requests.

    Stored with the weights; a service whose renderer gives another one must not start.
    """
    rendered = [
        [(part.text, part.control) for part in render_prompt(**probe, format=format, template=template)]
        for probe in _PROBES
    ]
    text = json.dumps([format, render_answer("x", format), rendered], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def replace_surrogates(text: str) -> str:
    """Return the text with half characters (lone surrogates) replaced by "?": a rule of `validate` tells of them, a tokenizer dies of them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
