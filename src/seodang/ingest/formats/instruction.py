"""Convert records with one question and one answer.

Alpaca, KoAlpaca, self-instruct, Dolly, question/answer tables, prompts without answers, and columns that params.yaml
names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from seodang.ingest.formats.conversation import (
    add_history,
    build_sample,
    collect_system_text,
    drop_unlearned_end,
    is_transcript,
    parse_open_transcript,
)
from seodang.ingest.formats.messages import Message, holds_messages, parse_messages
from seodang.ingest.formats.sample import (
    Converter,
    RawRecord,
    Sample,
    describe_value,
    get_first,
    get_line,
    get_nested,
    get_system,
    get_task,
    unwrap_single,
)
from seodang.ingest.rows import TURNS_BROKEN, get_field_error, make_field_error

# Lower-case names of the columns with the question, its context and the answer; the first name that a file has is used.
QUESTIONS = ("instruction", "question", "q", "query", "prompt", "질문", "질의", "물음", "문제", "지시문", "지시")
CONTEXTS = (
    *("input", "context", "document", "context_text", "passage", "article", "paragraph", "source_text", "input_text"),
    *("dialogue", "지문", "본문", "문맥", "입력", "문서", "원문", "기사"),
)
_STRICT_CONTEXTS = ("input", "context")  # names that can mean nothing else: a value that is no text is an error
ANSWERS = ("output", "answer", "a", "response", "completion", "답변", "답", "대답", "응답", "정답", "출력")


def convert_alpaca(record: RawRecord) -> Iterable[Sample]:
    """Return the texts of an Alpaca record, with KoAlpaca's url and LLaMA-Factory's system and history."""
    sample = Sample(
        record.get("instruction"),
        record.get("output"),
        build_context(record, CONTEXTS),
        get_system(record),
        url=get_line(record, "url"),
        task=get_task(record, "task"),
    )
    return (add_history(sample, record.get("history")),)


def convert_dolly(record: RawRecord) -> Iterable[Sample]:
    """Return the texts of a Dolly record; its category is the task."""
    answer = record["response"] if "response" in record else record.get("output")
    return (
        Sample(
            record.get("instruction"),
            answer,
            build_context(record, CONTEXTS),
            get_system(record),
            task=get_task(record, "category"),
            url=get_line(record, "url"),
        ),
    )


def convert_instances(record: RawRecord) -> Iterator[Sample]:
    """Yield one sample for each instance of a self-instruct seed task."""
    values = record.get("instances")
    if not isinstance(values, list) or not values:
        yield Sample(
            record.get("instruction"),
            make_field_error(
                TURNS_BROKEN,
                f"instances is {'empty' if values == [] else describe_value(values)}, expected a list of input and output",
            ),
        )
        return
    for value in values:
        error = (
            None
            if isinstance(value, dict)
            else make_field_error(TURNS_BROKEN, f"an instance is {describe_value(value)}, expected input and output")
        )
        yield Sample(
            record.get("instruction"), error or value.get("output"), "" if error else get_first(value, "input")
        )


def build_qa_converter(question: str, contexts: Sequence[str], answer: str) -> Converter:
    """Return the converter of a table with these columns of questions, contexts and answers."""

    def convert(record: RawRecord) -> Iterable[Sample]:
        text, reply = record.get(question), record.get(answer)
        if holds_messages(text) or holds_messages(reply) or _is_open_transcript(text):  # conversations, as TRL's
            messages = [*_parse_side(text, "user"), *_parse_side(reply, "assistant")]
            return (build_sample(drop_unlearned_end(messages), collect_system_text(record)),)
        sample = Sample(
            unwrap_single(text),
            unwrap_single(reply),
            build_context(record, contexts),
            get_system(record),
            url=get_line(record, "url"),
            task=get_task(record, "task"),
        )
        return (add_history(sample, record.get("history")),)

    return convert


def _is_open_transcript(value: object) -> bool:
    """Return whether a value is a transcript of hh-rlhf up to the answer, and no text about people."""
    return isinstance(value, str) and is_transcript(value) and value.rstrip().endswith("\n\nAssistant:")


def _parse_side(value: object, role: str) -> list[Message]:
    if isinstance(value, str) and _is_open_transcript(value):
        return parse_open_transcript(value)
    return [Message(role, value)] if isinstance(value, str) and not holds_messages(value) else parse_messages(value)


def build_context(record: RawRecord, names: Sequence[str]) -> Any:
    """Return the texts of these columns, each once, as one input; the first value that is no text if there is one.

    A text that the instruction contains already is left out.
    """
    instruction = record.get("instruction")
    texts: list[str] = []
    for name in names:
        value = record.get(name)
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            if name in _STRICT_CONTEXTS:
                return value
            continue
        is_known = value in texts or (isinstance(instruction, str) and bool(value.strip()) and value in instruction)
        if name in _STRICT_CONTEXTS or not is_known:
            texts.append(value)
    return "\n\n".join(texts)


def find_column(names: Sequence[str], known: Sequence[str]) -> str:
    """Return the column with the first known name, ignoring case; "" if there is none."""
    return next(iter(find_columns(names, known)), "")


def find_columns(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the columns with known names, ignoring case, in the order of the known names."""
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    return [by_lower[name] for name in known if name in by_lower]


def convert_prompts(record: RawRecord) -> Iterator[Sample]:
    """Yield prompts without an answer: one text, or the questions of several turns, each with the earlier ones."""
    task, values = get_task(record, "category"), get_first(record, "turns", "prompt", "text")
    before: list[dict[str, str]] = []
    for value in values if isinstance(values, list) and values else [values]:
        yield Sample(value, _propagate_error(value), turns=list(before), task=task)
        if isinstance(value, str):
            before.append({"role": "user", "content": value})


def _propagate_error(value: object) -> object:
    return value if get_field_error(value) else None


def build_columns_converter(columns: dict[str, str]) -> Converter:
    """Return the converter of records whose keys params.yaml names."""

    def convert(record: RawRecord) -> Iterable[Sample]:
        values = {field: get_nested(record, key) for field, key in columns.items()}
        return (
            Sample(
                unwrap_single(values.get("instruction")),
                unwrap_single(values.get("output")),
                get_first(values, "input"),
                get_first(values, "system"),
                rejected=get_first(values, "rejected"),
                url=get_line(values, "url"),
                task=get_task(values, "task"),
            ),
        )

    return convert
