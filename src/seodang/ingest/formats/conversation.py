"""Convert conversations: ShareGPT, OpenAI messages, parallel lists of questions and answers, transcripts.

The last question becomes the instruction, its answer the output, and all earlier messages `turns`. A malformed
conversation becomes a field error in its row, never an error of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from seodang.ingest.formats.messages import Message, apply_loss_flags, parse_messages, parse_part_texts
from seodang.ingest.formats.sample import (
    RawRecord,
    Sample,
    describe_value,
    dump_json,
    get_first,
    get_line,
    get_system,
    get_task,
)
from seodang.ingest.rows import NOT_LEARNED, TURNS_BROKEN, get_field_error, make_field_error, shorten

# Roles that may follow each role; None stands before the first message.
_NEXT_ROLES: Final = {
    None: {"user"},
    "user": {"assistant", "tool_call"},
    "assistant": {"user", "tool_call"},
    "tool_call": {"tool"},
    "tool": {"tool", "assistant", "tool_call"},
}
_SPEAKER: Final = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")  # Anthropic's hh-rlhf
_TRANSCRIPT: Final = re.compile(r"\s*Human:")


def convert_messages(record: RawRecord, key: str) -> Sample:
    """Return the conversation under a key, with the record's system text and tools."""
    messages = apply_loss_flags(parse_messages(record.get(key)), record)
    sample = build_sample(drop_unlearned_end(messages), collect_system_text(record))
    sample.url, sample.task = get_line(record, "url"), get_task(record, "task")
    return sample


def collect_system_text(record: RawRecord) -> str:
    """Return the record's system text and tools; "" if there are none."""
    system, tools = get_system(record), get_first(record, "tools", "functions")
    texts = [parse_part_texts(system) or system, tools]
    parts = [text if isinstance(text, str) else dump_json(text) for text in texts if text]
    return "\n\n".join(text for text in parts if text.strip() not in {"", "[]"})


def convert_lists(record: RawRecord) -> Sample:
    """Return the conversation in two parallel lists of questions and answers."""
    questions, answers = record.get("questions"), get_first(record, "outputs", "answers")
    if not isinstance(questions, list) or not isinstance(answers, list) or len(questions) != len(answers):
        counts = [len(value) if isinstance(value, list) else describe_value(value) for value in (questions, answers)]
        return Sample(
            _get_last_text(questions),
            make_field_error(TURNS_BROKEN, f"questions and answers do not pair: {counts[0]} and {counts[1]}"),
            task=get_task(record, "category"),
        )
    sample = build_sample(
        [
            message
            for question, answer in zip(questions, answers, strict=True)
            for message in _make_message_pair(question, answer)
        ]
    )
    sample.task = get_task(record, "category")
    return sample


def add_history(sample: Sample, history: object) -> Sample:
    """Add LLaMA-Factory's history, [[question, answer], ...], to a sample as earlier turns, and return the sample."""
    if not history:
        return sample
    pairs: list[Any] = history if isinstance(history, list) else [history]
    if not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair) for pair in pairs
    ):
        sample.output = make_field_error(
            TURNS_BROKEN, f"history is not [[question, answer], ...]: {describe_value(history)}"
        )
        return sample
    sample.turns = [
        {"role": role, "content": text}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    return sample


def drop_unlearned_end(messages: list[Message]) -> list[Message]:
    """Return the messages up to the last answer that may be learned; all of them if every answer may be learned.

    The messages after it are context of no label, so the conversation loses nothing that training uses. If there is no
    such answer, or a learned tool call follows it, the conversation stays as it is and counts as not learned.
    """
    if all(message.learned for message in messages):
        return messages
    last = max((i for i, message in enumerate(messages) if message.role == "assistant" and message.learned), default=-1)
    has_learned_call = any(message.role == "tool_call" and message.learned for message in messages[last + 1 :])
    return messages if last < 0 or has_learned_call else messages[: last + 1]


def is_transcript(value: object) -> bool:
    """Return whether a value is a transcript, a text that begins with "Human:"."""
    return isinstance(value, str) and _TRANSCRIPT.match(value) is not None


def parse_transcript(text: str) -> list[Message]:
    r"""Return the messages of "\n\nHuman: ...\n\nAssistant: ..."."""
    parts = _SPEAKER.split("\n\n" + text.lstrip())[1:]
    return [
        Message("user" if speaker == "Human" else "assistant", content)
        for speaker, content in zip(parts[::2], parts[1::2], strict=True)
    ]


def parse_open_transcript(text: str) -> list[Message]:
    """Return the messages of a transcript before an answer, which may already name the speaker of the answer."""
    return [message for message in parse_transcript(text) if message.role == "user" or str(message.content).strip()]


def build_sample(messages: Iterable[Message], system: str = "") -> Sample:
    """Return a conversation as a sample: the last question, its answer, and the earlier messages."""
    system, dialogue = _split_system(list(messages), system)
    instruction = next((message.content for message in reversed(dialogue) if message.role in {"user", "tool"}), None)
    if order_error := _find_order_error([message.role for message in dialogue], dialogue):
        return Sample(instruction if instruction is not None else order_error, order_error, system=system)
    *before, _question, answer = dialogue
    if not answer.learned:
        found = f"the last answer is excluded from the loss: {describe_value(answer.content)}"
        return Sample(instruction, make_field_error(NOT_LEARNED, found), system=system)
    message_error = next((message.content for message in before if get_field_error(message.content)), None)
    if message_error:
        return Sample(instruction, message_error, system=system)
    return Sample(
        instruction,
        answer.content,
        system=system,
        turns=[_make_turn(message) for message in before],
    )


def _make_turn(message: Message) -> dict[str, Any]:
    turn = {"role": message.role, "content": message.content}
    return turn if message.learned else {**turn, "learned": False}


def _split_system(messages: list[Message], system: str) -> tuple[str, list[Message]]:
    """Return the text of the leading system messages, and the messages after them."""
    texts = [system] if system else []
    count = 0
    for message in messages:
        if message.role != "system" or not isinstance(message.content, str):
            break
        texts += [message.content] if message.content.strip() else []
        count += 1
    return "\n\n".join(texts), messages[count:]


def _find_order_error(roles: list[str], messages: Sequence[Message]) -> dict[str, Any] | None:
    """Return the field error of a conversation with roles out of order or a blank message; None if it is valid."""
    before: str | None = None
    for message in messages:
        if not message.role:
            return dict(message.content)
        if message.role not in _NEXT_ROLES[before]:
            return make_field_error(
                TURNS_BROKEN,
                f"{message.role} speaks {f'after {before}' if before else 'first'}: {_format_roles(roles)}",
            )
        before = message.role
    if before != "assistant":
        return make_field_error(TURNS_BROKEN, f"ends with {before}: {_format_roles(roles)}" if before else "no message")
    blank = next((position for position, message in enumerate(messages[:-2], start=1) if _is_blank(message)), 0)
    return make_field_error(TURNS_BROKEN, f"message {blank} ({messages[blank - 1].role}) is blank") if blank else None


def _is_blank(message: Message) -> bool:
    """Return whether a message is blank; a tool result may be blank."""
    return message.role != "tool" and isinstance(message.content, str) and not message.content.strip()


def _format_roles(roles: list[str]) -> str:
    return shorten(", ".join(roles), 40)


def _make_message_pair(question: object, answer: object) -> tuple[Message, Message]:
    return _make_message("user", question), _make_message("assistant", answer)


def _make_message(role: str, text: object) -> Message:
    return Message(
        role,
        text
        if isinstance(text, str)
        else make_field_error(TURNS_BROKEN, f"{role}'s text is no text: {describe_value(text)}"),
    )


def _get_last_text(value: object) -> object:
    return value[-1] if isinstance(value, list) and value else value
