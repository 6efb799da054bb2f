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
_ALPACA_HEAD = "Below is an instruction that describes a task{pairing}. Write a response that appropriately completes the request.\n\n"
_ALPACA_PAIRED = _ALPACA_HEAD.format(pairing=", paired with an input that provides further context")


@dataclass(frozen=True, slots=True)
class _Wording:
    """One text format: a head, a heading before each turn, and what the last request looks like."""

    heads: tuple[str, str]  # with input, without
    requests: tuple[str, str]
    user: str  # before a question of the conversation so far
    assistant: str  # before an answer of it
    tool: str  # before what a tool gave back


_WORDINGS = {
    "alpaca": _Wording(
        heads=(_ALPACA_PAIRED, _ALPACA_HEAD.format(pairing="")),
        requests=(
            "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:",
            "### Instruction:\n{instruction}\n\n### Response:",
        ),
        user="### Instruction:\n",
        assistant="### Response:",
        tool="### Input:\n",
    ),
    # Wording: README of Beomi/KoAlpaca.
    "koalpaca": _Wording(
        heads=("", ""),
        requests=("### 질문: {instruction}\n\n### 맥락: {input}\n\n### 답변:", "### 질문: {instruction}\n\n### 답변:"),
        user="### 질문: ",
        assistant="### 답변:",
        tool="### 맥락: ",
    ),
    # The bare request, for a base model that was never tuned to a format.
    "plain": _Wording(
        heads=("", ""), requests=("{instruction}\n{input}\n", "{instruction}"), user="", assistant="", tool=""
    ),
}

# What stands between the prompt and the answer. It belongs to the answer's side, because
# byte-level tokenizers join a blank to the word that follows it.
_ANSWER_PREFIX: dict[PromptFormat, str] = {"alpaca": "", "koalpaca": " ", "chat": "", "plain": " "}

# Roles of those who speak to the model; what the others say, the model said.
_ASKING = frozenset({"user", "tool"})

# Stands in for the user's text while the model's own template is rendered. Private-use
# code points: no template and no user text has a meaning for them.
_SLOT = "\ue000{}\ue001"
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
    learned: (
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

    def prompt(
        self, instruction: str, input: str, *, system: str = "", turns: Sequence[Turn] = ()
    ) -> tuple[Segment, ...]:
        """Return the prompt of one request; the arguments are those of render_prompt."""
        if self._template is None or self._format != "chat":
            return _render_text(instruction, input, self._format, system, turns)
        request = f"{instruction}\n\n{input}" if input else instruction
        return self._chat(_messages(system, [*turns, Turn(role="user", content=request)]), self._template)

    def record(self, record: Record) -> tuple[Segment, ...]:
        """Return the prompt of a record, with the conversation that leads up to it."""
        return self.prompt(record.instruction, record.input, system=record.system, turns=record.turns)

    def lesson(self, record: Record) -> tuple[Segment, ...]:
        """Return all that training reads of a record: prompt and answer; the end token comes after them."""
        return (
            *self.record(record),
            Segment(render_answer(record.output, self._format), control=False, learned=_says_something(record.output)),
        )

    def _chat(self, messages: list[tuple[str, str]], template: ChatTemplate) -> tuple[Segment, ...]:
        roles = tuple(role for role, _ in messages)
        if roles not in self._frames:
            self._frames[roles] = _frame(roles, template)
        frame = self._frames[roles]
        return _filled(frame, messages if frame.system else _without_system(messages))


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
    return Renderer(format, template).prompt(instruction, input, system=system, turns=turns)


def render_record(record: Record, format: PromptFormat, template: ChatTemplate | None = None) -> tuple[Segment, ...]:
    """Return the prompt of a record, with the conversation that leads up to it."""
    return Renderer(format, template).record(record)


def _render_text(
    instruction: str, input: str, format: PromptFormat, system: str, turns: Sequence[Turn]
) -> tuple[Segment, ...]:
    wording, alone = _WORDINGS[format], not input
    segments: list[Segment] = []
    text = f"{wording.heads[alone]}{system}\n\n" if system else wording.heads[alone]
    for turn in turns:
        if turn.role in _ASKING:
            text += f"{wording.tool if turn.role == 'tool' else wording.user}{turn.content}\n\n"
        else:
            segments.append(Segment(text + wording.assistant, control=False, learned=False))
            segments.append(
                Segment(render_answer(turn.content, format), control=False, learned=_says_something(turn.content))
            )
            text = "\n\n"
    text += wording.requests[alone].format(instruction=instruction, input=input)
    return (*segments, Segment(text, control=False, learned=False))


def _says_something(answer: str) -> bool:
    """Return whether there is anything to learn; a model must not learn to say nothing."""
    return bool(answer.strip())


def _messages(system: str, turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """Return role and content of each message; neighbours of one role become one, as most templates demand."""
    messages: list[tuple[str, str]] = [("system", system)] if system else []
    for turn in turns:
        role = "user" if turn.role in _ASKING else "assistant"
        if messages and messages[-1][0] == role:
            messages[-1] = (role, f"{messages[-1][1]}\n\n{turn.content}")
        else:
            messages.append((role, turn.content))
    return messages


def _without_system(messages: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the messages with the system text as the beginning of the first question."""
    (_, system), (role, first), *others = messages
    return [("user", f"{system}\n\n{first}"), *others] if role == "user" else [("user", system), *messages[1:]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """What a chat template writes around the messages of one order of roles."""

    system: bool  # whether the template knows a system message
    before: tuple[Segment, ...]  # each message
    end: Segment  # after the last, where the model goes on


def _frame(roles: tuple[str, ...], template: ChatTemplate) -> _Frame:
    try:
        return _written_around(roles, template, system=True)
    except Exception:
        if roles[0] != "system" or len(roles) == 1:
            raise
        # Templates such as Gemma's know no system message and raise, or leave it out: there it leads the first question.
        plain = _without_system([(role, "") for role in roles])
        return _written_around(tuple(role for role, _ in plain), template, system=False)


def _written_around(roles: tuple[str, ...], template: ChatTemplate, *, system: bool) -> _Frame:
    slotted = [{"role": role, "content": _SLOT.format(number)} for number, role in enumerate(roles)]
    rendered = template.apply_chat_template(slotted, tokenize=False, add_generation_prompt=True)
    before: list[Segment] = []
    for number, role in enumerate(roles):
        text, slot, rendered = rendered.partition(_SLOT.format(number))
        if not slot:
            raise ValueError(
                f"the model's chat template leaves out message {number + 1} ({role}); correct the template, or take another prompt.format"
            )
        before.append(Segment(text, control=True, learned=number > 0 and roles[number - 1] == "assistant"))
    return _Frame(system=system, before=tuple(before), end=Segment(rendered, control=True, learned=False))


def _filled(frame: _Frame, messages: list[tuple[str, str]]) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    answered = True
    for around, (role, content) in zip(frame.before, messages, strict=True):
        # After an empty answer its end isn't learned either.
        segments.append(around if answered or not around.learned else Segment(around.text, control=True, learned=False))
        answered = role != "assistant" or _says_something(content)
        segments.append(Segment(content, control=False, learned=role == "assistant" and answered))
    return (*segments, frame.end)


def render_answer(output: str, format: PromptFormat) -> str:
    """Return the text that follows the prompt; the end token comes after it."""
    return _ANSWER_PREFIX[format] + output


def fingerprint(format: PromptFormat, template: ChatTemplate | None = None) -> str:
    """Return the sha256 of what the renderer makes of fixed requests.

    Stored with the weights; a service whose renderer gives another one must not start.
    """
    rendered = [
        [(part.text, part.control) for part in render_prompt(**probe, format=format, template=template)]
        for probe in _PROBES
    ]
    text = json.dumps([format, render_answer("x", format), rendered], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def whole_characters(text: str) -> str:
    """Return the text with half characters (lone surrogates) replaced by "?": a rule of `validate` tells of them, a tokenizer dies of them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
