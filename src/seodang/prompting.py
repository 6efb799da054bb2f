"""The one renderer: training, evaluation and serving all turn a request into the same prompt."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal, Protocol

from seodang.params import PromptFormat

# Wording: README of tatsu-lab/stanford_alpaca, "Data Release".
_ALPACA_HEAD = "Below is an instruction that describes a task{pairing}. Write a response that appropriately completes the request.\n\n"
_ALPACA_WITH_INPUT = _ALPACA_HEAD.format(pairing=", paired with an input that provides further context") + "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
_ALPACA = _ALPACA_HEAD.format(pairing="") + "### Instruction:\n{instruction}\n\n### Response:"
# Wording: README of Beomi/KoAlpaca.
_KOALPACA_WITH_INPUT = "### 질문: {instruction}\n\n### 맥락: {input}\n\n### 답변:"
_KOALPACA = "### 질문: {instruction}\n\n### 답변:"
# The bare request, for a base model that was never tuned to a format.
_PLAIN_WITH_INPUT, _PLAIN = "{instruction}\n{input}\n", "{instruction}"
_TEMPLATES = {
    "alpaca": (_ALPACA_WITH_INPUT, _ALPACA),
    "koalpaca": (_KOALPACA_WITH_INPUT, _KOALPACA),
    "plain": (_PLAIN_WITH_INPUT, _PLAIN),
}

# What stands between the prompt and the answer. It belongs to the answer's side, because
# byte-level tokenizers join a blank to the word that follows it.
_ANSWER_PREFIX: dict[PromptFormat, str] = {"alpaca": "", "koalpaca": " ", "chat": "", "plain": " "}

# Stands in for the user's text while the model's own template is rendered. Private-use
# code points: no template and no user text has a meaning for them.
_SLOT = "\ue000\ue001\ue000"
_PROBES = (("가나다 ABC?", ""), ("가나다 ABC?", "라마바 DEF."))


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


def render_prompt(instruction: str, input: str, format: PromptFormat, template: ChatTemplate | None = None) -> tuple[Segment, ...]:
    """Return the prompt of one request, ready to be tokenised segment by segment.

    User text always stands in segments without control tokens, so nobody can
    write a turn marker into a prompt.

    Args:
        input: Further context; "" when there is none.
        template: The tokenizer; needed for "chat" only.
    """
    if format == "chat":
        if template is None:
            raise ValueError("format 'chat' needs the tokenizer that holds the template")
        return _render_chat(instruction, input, template)
    with_input, without = _TEMPLATES[format]
    chosen = with_input if input else without
    return (Segment(chosen.format(instruction=instruction, input=input), control=False),)


def _render_chat(instruction: str, input: str, template: ChatTemplate) -> tuple[Segment, ...]:
    content = f"{instruction}\n\n{input}" if input else instruction
    rendered = template.apply_chat_template([{"role": "user", "content": _SLOT}], tokenize=False, add_generation_prompt=True)
    before, _, after = rendered.partition(_SLOT)
    return (Segment(before, control=True), Segment(content, control=False), Segment(after, control=True))


def render_answer(output: str, format: PromptFormat) -> str:
    """Return the text that follows the prompt; the end token comes after it."""
    return _ANSWER_PREFIX[format] + output


def fingerprint(format: PromptFormat, template: ChatTemplate | None = None) -> str:
    """Return the sha256 of what the renderer makes of fixed requests.

    Stored with the weights; a service whose renderer gives another one must not start.
    """
    rendered = [[(part.text, part.control) for part in render_prompt(*probe, format, template)] for probe in _PROBES]
    text = json.dumps([format, render_answer("x", format), rendered], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
