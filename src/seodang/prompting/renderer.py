"""Render prompts: training, evaluation and serving build the same prompt from a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from seodang.config import PromptFormat
from seodang.prompting.bounded_cache import BoundedCache
from seodang.prompting.chat_frame import PLACEHOLDER, ChatTemplate, Frame, build_frame, fill_frame, merge_system_message
from seodang.prompting.segment import Segment, has_content
from seodang.prompting.templates import PROMPT_TEMPLATES, PromptTemplate, TemplateTexts
from seodang.records import Record, Turn

# Roles whose messages the model reads; the messages of other roles are its own answers.
_USER_ROLES: Final = frozenset({"user", "tool"})
# Clients choose the order of roles, and each order has a frame. The frames of longer conversations are not kept.
_MAX_FRAMES: Final = 256
_MAX_MESSAGES: Final = 64


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
        self._frames: BoundedCache[tuple[str, ...], Frame] = BoundedCache(_MAX_FRAMES)
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
        return Segment(self._answer_prefix + output, control=False, is_label=has_content(output))

    def _render_chat(self, messages: list[Turn]) -> tuple[Segment, ...]:
        assert self._tokenizer is not None
        build = partial(build_frame, tuple([message.role for message in messages]), self._tokenizer)
        frame = build() if len(messages) > _MAX_MESSAGES else self._frames.get(build.args[0], build)
        return fill_frame(frame, messages if frame.supports_system else merge_system_message(messages))


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
    return Segment(template.answer_prefix + answer, control=False, is_label=learned and has_content(answer))


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
    question, answer = ({"role": role, "content": PLACEHOLDER.format(role)} for role in ("user", "assistant"))
    try:
        prompt = tokenizer.apply_chat_template([question], tokenize=False, add_generation_prompt=True)
        example = tokenizer.apply_chat_template([question, answer], tokenize=False, add_generation_prompt=False)
    except Exception:  # a template raises errors of any class; rendering a prompt reports them
        return template.answer_prefix
    before, _, _ = str(example).partition(answer["content"])
    prefix = before.removeprefix(str(prompt))
    return prefix if before.startswith(str(prompt)) and prefix.isspace() else template.answer_prefix
