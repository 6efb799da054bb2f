"""Convert preference data: pairs of a better and a worse answer, and single answers labelled good or bad (KTO).

Three layouts of pairs are supported. LLaMA-Factory: conversations or an instruction, with chosen and rejected. TRL:
prompt, chosen and rejected as texts or as lists of messages; the prompt may be only their common beginning. Anthropic's
hh-rlhf: two transcripts with a common beginning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from seodang.ingest.formats.conversation import (
    add_history,
    build_sample,
    collect_system_text,
    is_transcript,
    parse_open_transcript,
    parse_transcript,
)
from seodang.ingest.formats.messages import Message, holds_messages, parse_messages
from seodang.ingest.formats.sample import RawRecord, Sample, describe_value, get_first, get_line, get_system, get_task
from seodang.ingest.formats.verdicts import parse_verdict
from seodang.ingest.rows import LABEL_UNKNOWN, REJECTED_BLANK, TURNS_BROKEN, get_field_error, make_field_error

_QUESTIONS = ("instruction", "prompt", "question", "query")


def convert_pair(record: RawRecord) -> Iterable[Sample]:
    """Return a preference pair: the better answer is the output, the worse one is `rejected`."""
    chosen = get_first(record, "chosen", "chosen_messages")
    rejected = get_first(record, "rejected", "rejected_messages")
    sample = _build_pair(record, chosen, rejected)
    sample.url, sample.task = get_line(record, "url"), get_task(record, "task")
    if not get_field_error(sample.output) and isinstance(sample.rejected, str) and not sample.rejected.strip():
        # Without the field error, the row would be taken for one without a preference.
        sample.rejected = make_field_error(REJECTED_BLANK, "no rejected answer")
    return (sample,)


def _build_pair(record: RawRecord, chosen: object, rejected: object) -> Sample:
    before = _parse_context(record)
    is_text = not isinstance(chosen, list | dict) and not isinstance(rejected, list | dict)
    if before is None and is_text and not is_transcript(chosen) and not holds_messages(chosen):
        question, more = _get_question(record)
        if question == "":
            return Sample(
                make_field_error(TURNS_BROKEN, "chosen and rejected without a question"), chosen, rejected=rejected
            )
        sample = Sample(question, chosen, input=more, system=get_system(record), rejected=rejected)
        return add_history(sample, record.get("history"))
    chosen_messages, rejected_messages = _parse_answer(chosen), _parse_answer(rejected)
    if before is None:
        before = _build_question(record) if chosen_messages[:1] and chosen_messages[0].role == "assistant" else []
    before = _remove_repeated(before, chosen_messages, rejected_messages)
    shared_count = _count_shared(chosen_messages, rejected_messages)
    return _build_pair_sample(
        [*before, *chosen_messages[:shared_count]],
        chosen_messages[shared_count:],
        rejected_messages[shared_count:],
        collect_system_text(record),
    )


def _parse_context(record: RawRecord) -> list[Message] | None:
    """Return the messages before both answers if the record has them separately, else None."""
    for key in ("conversations", "messages", "prompt"):
        if isinstance(record.get(key), list) or holds_messages(record.get(key)):
            return parse_messages(record[key])
        if is_transcript(record.get(key)):
            return parse_open_transcript(record[key])
    return None


def _get_question(record: RawRecord) -> tuple[object, object]:
    """Return the question and the input; an input without a question is the question."""
    question, more = get_first(record, *_QUESTIONS), get_first(record, "input")
    return (more, "") if question == "" else (question, more)


def _build_question(record: RawRecord) -> list[Message]:
    question, more = _get_question(record)
    text = f"{question}\n{more}" if isinstance(question, str) and isinstance(more, str) and more.strip() else question
    return (
        [
            Message(
                "user",
                text
                if isinstance(text, str)
                else make_field_error(TURNS_BROKEN, f"the question is {describe_value(text)}"),
            )
        ]
        if text != ""
        else []
    )


def _parse_answer(value: object) -> list[Message]:
    """Return the messages of one side: a text, a transcript, one message, or a list of them."""
    if isinstance(value, str):
        if holds_messages(value):
            return parse_messages(value)
        return parse_transcript(value) if is_transcript(value) else [Message("assistant", value)]
    return parse_messages([value] if isinstance(value, dict) and not get_field_error(value) else value)


def _remove_repeated(before: list[Message], *sides: list[Message]) -> list[Message]:
    """Return the context without its last messages that an answer begins with.

    The context of UltraFeedback's binarized pairs is the complete better conversation: the model would read the better
    answer before it writes an answer.
    """
    lengths = range(len(before), 0, -1)
    repeated = next((size for size in lengths if any(before[-size:] == side[:size] for side in sides)), 0)
    return before[: len(before) - repeated]


def _count_shared(chosen: list[Message], rejected: list[Message]) -> int:
    """Return the number of common leading messages; at least one message remains on each side."""
    most = max(min(len(chosen), len(rejected)) - 1, 0)
    return next((position for position in range(most) if chosen[position] != rejected[position]), most)


def _build_pair_sample(before: list[Message], chosen: list[Message], rejected: list[Message], system: str) -> Sample:
    """Return the conversation as a sample with both answers."""
    sample = build_sample([*before, *chosen], system)
    # A worse answer is never learned, whatever its message says.
    rejected_sample = build_sample([*before, *(replace(message, learned=True) for message in rejected)], system)
    if get_field_error(sample.output):
        return replace(sample, rejected=rejected_sample.output if not get_field_error(rejected_sample.output) else "")
    if not any(message.role == "assistant" for message in rejected):
        return replace(sample, rejected="")
    if len(chosen) != 1 or len(rejected) != 1:
        return replace(
            sample,
            output=make_field_error(
                TURNS_BROKEN,
                f"chosen and rejected part before their last answer: {len(chosen)} and {len(rejected)} messages differ",
            ),
        )
    return replace(sample, rejected=rejected_sample.output)


def mark_desirable(record: RawRecord, samples: Iterable[Sample]) -> Iterable[Sample]:
    """Yield the samples with `desirable` set from the record's label."""
    label = get_first(record, "kto_tag", "label")
    truth = parse_verdict(label)
    for sample in samples:
        sample.desirable = truth
        if truth is None and not get_field_error(sample.output):
            sample.output = make_field_error(LABEL_UNKNOWN, describe_value(label))
        yield sample
