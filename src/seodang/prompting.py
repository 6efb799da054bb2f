"""The one renderer: training, evaluation and serving all turn a request into the same prompt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from seodang.params import PromptFormat
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
        requests=("### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:", "### Instruction:\n{instruction}\n\n### Response:"),
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
    "plain": _Wording(heads=("", ""), requests=("{instruction}\n{input}\n", "{instruction}"), user="", assistant="", tool=""),
}

# What stands between the prompt and the answer. It belongs to the answer's side, because
# byte-level tokenizers join a blank to the word that follows it.
_ANSWER_PREFIX: dict[PromptFormat, str] = {"alpaca": "", "koalpaca": " ", "chat": "", "plain": " "}

# Stands in for the user's text while the model's own template is rendered. Private-use
# code points: no template and no user text has a meaning for them.
_SLOT = "\ue000{}\ue001"
_PROBES: tuple[dict[str, Any], ...] = (
    {"instruction": "가나다 ABC?", "input": ""},
    {"instruction": "가나다 ABC?", "input": "라마바 DEF."},
    {"instruction": "가?", "input": "", "system": "나.", "turns": (Turn(role="user", content="다?"), Turn(role="assistant", content="라."))},
)


class ChatTemplate(Protocol):
    """What a tokenizer offers to render its model's own chat template."""

    def apply_chat_template(self, conversation: list[dict[str, str]], *, tokenize: Literal[False], add_generation_prompt: bool) -> str:
        """Return the rendered conversation."""
        ...


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a prompt, tokenised by itself."""

    text: str
    control: bool  # True: markers in it are control tokens; False: they are plain text


def render_prompt(instruction: str, input: str, format: PromptFormat, template: ChatTemplate | None = None, *, system: str = "", turns: Sequence[Turn] = ()) -> tuple[Segment, ...]:
    """Return the prompt of one request, ready to be tokenised segment by segment.

    User text always stands in segments without control tokens, so nobody can
    write a turn marker into a prompt.

    Args:
        instruction: What is asked now.
        input: Further context; "" when there is none.
        format: The wording.
        template: The tokenizer; needed for "chat" only.
        system: What stands before the conversation; "" when there is nothing.
        turns: The conversation so far, oldest first.
    """
    if format == "chat":
        if template is None:
            raise ValueError("format 'chat' needs the tokenizer that holds the template")
        request = f"{instruction}\n\n{input}" if input else instruction
        return _render_chat(_messages(system, [*turns, Turn(role="user", content=request)]), template)
    wording, alone = _WORDINGS[format], not input
    before = f"{system}\n\n" if system else ""
    said = "".join(_said(turn, wording, format) for turn in turns)
    request = wording.requests[alone].format(instruction=instruction, input=input)
    return (Segment(f"{wording.heads[alone]}{before}{said}{request}", control=False),)


def render_record(record: Record, format: PromptFormat, template: ChatTemplate | None = None) -> tuple[Segment, ...]:
    """Return the prompt of a record, with the conversation that leads up to it."""
    return render_prompt(record.instruction, record.input, format, template, system=record.system, turns=record.turns)


def _said(turn: Turn, wording: _Wording, format: PromptFormat) -> str:
    """Return one earlier turn as text, headed like the request and the answer that follow it."""
    match turn.role:
        case "user":
            return f"{wording.user}{turn.content}\n\n"
        case "tool":
            return f"{wording.tool}{turn.content}\n\n"
        case _:
            return f"{wording.assistant}{_ANSWER_PREFIX[format]}{turn.content}\n\n"


def _messages(system: str, turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """Return role and content of each message; neighbours of one role become one, as most templates demand."""
    messages: list[tuple[str, str]] = [("system", system)] if system else []
    for turn in turns:
        role = "user" if turn.role in {"user", "tool"} else "assistant"
        if messages and messages[-1][0] == role:
            messages[-1] = (role, f"{messages[-1][1]}\n\n{turn.content}")
        else:
            messages.append((role, turn.content))
    return messages


def _render_chat(messages: list[tuple[str, str]], template: ChatTemplate) -> tuple[Segment, ...]:
    try:
        return _rendered_chat(messages, template)
    except Exception:
        if messages[0][0] != "system" or len(messages) == 1:
            raise
        # Templates such as Gemma's know no system message and raise, or leave it out: there it leads the first question.
        (_, system), (role, first), *others = messages
        return _rendered_chat([(role, f"{system}\n\n{first}"), *others], template)


def _rendered_chat(messages: list[tuple[str, str]], template: ChatTemplate) -> tuple[Segment, ...]:
    slotted = [{"role": role, "content": _SLOT.format(number)} for number, (role, _) in enumerate(messages)]
    rendered = template.apply_chat_template(slotted, tokenize=False, add_generation_prompt=True)
    segments: list[Segment] = []
    for number, (role, content) in enumerate(messages):
        before, slot, rendered = rendered.partition(_SLOT.format(number))
        if not slot:
            raise ValueError(f"the model's chat template leaves out message {number + 1} ({role}); correct the template, or take another prompt.format")
        segments += [Segment(before, control=True), Segment(content, control=False)]
    return (*segments, Segment(rendered, control=True))


def render_answer(output: str, format: PromptFormat) -> str:
    """Return the text that follows the prompt; the end token comes after it."""
    return _ANSWER_PREFIX[format] + output


def fingerprint(format: PromptFormat, template: ChatTemplate | None = None) -> str:
    """Return the sha256 of what the renderer makes of fixed requests.

    Stored with the weights; a service whose renderer gives another one must not start.
    """
    rendered = [[(part.text, part.control) for part in render_prompt(**probe, format=format, template=template)] for probe in _PROBES]
    text = json.dumps([format, render_answer("x", format), rendered], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
