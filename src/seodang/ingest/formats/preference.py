"""Judged answers: two of which one is better (preference pairs), and single ones marked good or bad (KTO).

Pairs come as LLaMA-Factory writes them (conversations or instruction beside chosen and rejected), as TRL does
(prompt, chosen, rejected as text or as lists of messages, the prompt perhaps only as their common beginning),
and as Anthropic's hh-rlhf does (two transcripts with a common beginning).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from seodang.ingest.formats.conversation import (
    Message,
    beside,
    conversed,
    is_transcript,
    messages_of,
    transcribed,
    with_history,
)
from seodang.ingest.formats.sample import Found, Sample, given, name_in, named, task_in
from seodang.ingest.rows import LABEL_UNKNOWN, TURNS_BROKEN, fault, fault_of

_QUESTIONS = ("instruction", "prompt", "question", "query")
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def pair(found: Found) -> Iterable[Sample]:
    """Return a preference pair: the better answer is the output, the worse one stands in `rejected`."""
    better = given(found, "chosen", "chosen_messages")
    worse = given(found, "rejected", "rejected_messages")
    sample = _pair(found, better, worse)
    sample.url, sample.task = name_in(found, "url"), task_in(found, "task")
    if not fault_of(sample.output) and isinstance(sample.rejected, str) and not sample.rejected.strip():
        sample.rejected = fault(TURNS_BROKEN, "no rejected answer")  # else the row would be taken for one that has none
    return (sample,)


def _pair(found: Found, better: object, worse: object) -> Sample:
    before = _before(found)
    if before is None and isinstance(better, str) and isinstance(worse, str) and not is_transcript(better):
        question = given(found, *_QUESTIONS)
        if question == "":
            return Sample(fault(TURNS_BROKEN, "chosen and rejected without a question"), better, rejected=worse)
        sample = Sample(question, better, input=given(found, "input"), system=given(found, "system"), rejected=worse)
        return with_history(sample, found.get("history"))
    good, bad = _answer(better), _answer(worse)
    if before is None:
        before = _asked(found) if good[:1] and good[0].role == "assistant" else []
    shared = _shared(good, bad)
    return _answered([*before, *good[:shared]], good[shared:], bad[shared:], beside(found))


def _before(found: Found) -> list[Message] | None:
    """Return the messages that stand before both answers, where the file gives them apart."""
    for key in ("conversations", "messages", "prompt"):
        if isinstance(found.get(key), list):
            return messages_of(found[key])
        if is_transcript(found.get(key)):
            return [
                message for message in transcribed(found[key]) if message.role == "user" or str(message.content).strip()
            ]
    return None


def _asked(found: Found) -> list[Message]:
    question, more = given(found, *_QUESTIONS), given(found, "input")
    text = f"{question}\n{more}" if isinstance(question, str) and isinstance(more, str) and more.strip() else question
    return (
        [Message("user", text if isinstance(text, str) else fault(TURNS_BROKEN, f"the question is {named(text)}"))]
        if text != ""
        else []
    )


def _answer(value: object) -> list[Message]:
    """Return the messages of one side: a text, a transcript, one message, or a list of them."""
    if isinstance(value, str):
        return transcribed(value) if is_transcript(value) else [Message("assistant", value)]
    return messages_of([value] if isinstance(value, dict) and not fault_of(value) else value)


def _shared(good: list[Message], bad: list[Message]) -> int:
    """Return how many messages both sides begin with; at least one is left to each."""
    most = max(min(len(good), len(bad)) - 1, 0)
    return next((place for place in range(most) if good[place] != bad[place]), most)


def _answered(before: list[Message], good: list[Message], bad: list[Message], system: str) -> Sample:
    """Return the conversation with its two last answers."""
    sample = conversed([*before, *good], system)
    worse = conversed([*before, *bad], system)
    if fault_of(sample.output):
        return replace(sample, rejected=worse.output if not fault_of(worse.output) else "")
    if len(good) != 1 or len(bad) != 1:
        return replace(
            sample,
            output=fault(
                TURNS_BROKEN,
                f"chosen and rejected part before their last answer: {len(good)} and {len(bad)} messages differ",
            ),
        )
    return replace(sample, rejected=worse.output)


def marked(found: Found, samples: Iterable[Sample]) -> Iterable[Sample]:
    """Mark answers as desirable or not, by the record's own label."""
    label = given(found, "kto_tag", "label")
    truth = truth_of(label)
    for sample in samples:
        sample.desirable = truth
        if truth is None and not fault_of(sample.output):
            sample.output = fault(LABEL_UNKNOWN, named(label))
        yield sample


def truth_of(label: object) -> bool | None:
    """Return whether a label says yes or no; None when it says neither."""
    return _TRUTH.get(str(label).strip().lower()) if isinstance(label, str | bool | int) else None
