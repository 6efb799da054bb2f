"""Convert records with one question and one answer.

Alpaca, KoAlpaca, self-instruct, Dolly, question/answer tables, prompts without answers, and columns that params.yaml
names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from seodang.ingest.formats.conversation import add_history, build_sample, parse_messages
from seodang.ingest.formats.sample import (
    Converter,
    RawRecord,
    Sample,
    describe_value,
    get_first,
    get_line,
    get_nested,
    get_task,
)
from seodang.ingest.rows import TURNS_BROKEN, get_field_error, make_field_error

# Lower-case names of the columns with the question, its context and the answer; the first name that a file has is used.
QUESTIONS = ("instruction", "question", "q", "query", "prompt", "질문", "질의", "물음", "문제", "지시문", "지시")
CONTEXTS = ("input", "context", "지문", "본문", "문맥", "입력")
ANSWERS = ("output", "answer", "a", "response", "completion", "답변", "답", "대답", "응답", "정답", "출력")


def convert_alpaca(record: RawRecord) -> Iterable[Sample]:
    """Return the texts of an Alpaca record, with KoAlpaca's url and LLaMA-Factory's system and history."""
    sample = Sample(
        record.get("instruction"),
        record.get("output"),
        get_first(record, "input"),
        get_first(record, "system"),
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
            get_first(record, "context", "input"),
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


def build_qa_converter(question: str, context: str, answer: str) -> Converter:
    """Return the converter of a table with these columns of questions and answers; context may be ""."""

    def convert(record: RawRecord) -> Iterable[Sample]:
        text, reply = record.get(question), record.get(answer)
        if isinstance(text, list) or isinstance(reply, list):  # TRL's conversational prompt and completion
            return (build_sample([*parse_messages(text), *parse_messages(reply)]),)
        return (
            Sample(
                text,
                reply,
                get_first(record, context),
                get_first(record, "system"),
                url=get_line(record, "url"),
                task=get_task(record, "task"),
            ),
        )

    return convert


def find_column(names: Sequence[str], known: Sequence[str]) -> str:
    """Return the column with the first known name, ignoring case; "" if there is none."""
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    return next((by_lower[name] for name in known if name in by_lower), "")


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
                values.get("instruction"),
                values.get("output"),
                get_first(values, "input"),
                get_first(values, "system"),
                rejected=get_first(values, "rejected"),
                url=get_line(values, "url"),
                task=get_task(values, "task"),
            ),
        )

    return convert
