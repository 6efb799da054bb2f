"""One question and one answer: Alpaca, KoAlpaca, self-instruct, Dolly, tables of questions, prompts without answers, named columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from seodang.ingest.formats.conversation import conversed, messages_of, with_history
from seodang.ingest.formats.sample import Convert, Found, Sample, given, name_in, named, stepped, task_in
from seodang.ingest.rows import TURNS_BROKEN, fault, fault_of

# Names of columns that hold the question, its context and the answer, in lower case; the first that a file has is taken.
QUESTIONS = ("instruction", "question", "q", "query", "prompt", "질문", "질의", "물음", "문제", "지시문", "지시")
CONTEXTS = ("input", "context", "지문", "본문", "문맥", "입력")
ANSWERS = ("output", "answer", "a", "response", "completion", "답변", "답", "대답", "응답", "정답", "출력")


def alpaca(found: Found) -> Iterable[Sample]:
    """Return Alpaca's instruction, input, output; also KoAlpaca's url and LLaMA-Factory's system and history."""
    sample = Sample(
        found.get("instruction"),
        found.get("output"),
        given(found, "input"),
        given(found, "system"),
        url=name_in(found, "url"),
        task=task_in(found, "task"),
    )
    return (with_history(sample, found.get("history")),)


def dolly(found: Found) -> Iterable[Sample]:
    """Return Dolly's instruction, context and response; the category is the task."""
    answer = found["response"] if "response" in found else found.get("output")
    return (
        Sample(
            found.get("instruction"),
            answer,
            given(found, "context", "input"),
            task=task_in(found, "category"),
            url=name_in(found, "url"),
        ),
    )


def instances(found: Found) -> Iterator[Sample]:
    """Yield a self-instruct seed task once for each of its instances."""
    values = found.get("instances")
    if not isinstance(values, list) or not values:
        yield Sample(
            found.get("instruction"),
            fault(
                TURNS_BROKEN,
                f"instances is {'empty' if values == [] else named(values)}, expected a list of input and output",
            ),
        )
        return
    for value in values:
        broken = (
            None
            if isinstance(value, dict)
            else fault(TURNS_BROKEN, f"an instance is {named(value)}, expected input and output")
        )
        yield Sample(found.get("instruction"), broken or value.get("output"), "" if broken else given(value, "input"))


def asked(question: str, context: str, answer: str) -> Convert:
    """Return what reads a table of questions and answers in these columns; context may be ""."""

    def convert(found: Found) -> Iterable[Sample]:
        text, reply = found.get(question), found.get(answer)
        if isinstance(text, list) or isinstance(reply, list):  # TRL's conversational prompt and completion
            return (conversed([*messages_of(text), *messages_of(reply)]),)
        return (
            Sample(
                text,
                reply,
                given(found, context),
                given(found, "system"),
                url=name_in(found, "url"),
                task=task_in(found, "task"),
            ),
        )

    return convert


def column(names: Sequence[str], known: Sequence[str]) -> str:
    """Return the first column that has one of the known names, whatever its case; "" when none has."""
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    return next((by_lower[name] for name in known if name in by_lower), "")


def prompts(found: Found) -> Iterator[Sample]:
    """Yield prompts that have no answer: a text, or the questions of several turns, each after those before it."""
    task, values = task_in(found, "category"), given(found, "turns", "prompt", "text")
    before: list[dict[str, str]] = []
    for value in values if isinstance(values, list) and values else [values]:
        yield Sample(value, _no_answer(value), turns=list(before), task=task)
        if isinstance(value, str):
            before.append({"role": "user", "content": value})


def _no_answer(value: object) -> object:
    return value if fault_of(value) else None


def named_columns(columns: dict[str, str]) -> Convert:
    """Return what reads records whose keys params.yaml names."""

    def convert(found: Found) -> Iterable[Sample]:
        values = {field: stepped(found, key) for field, key in columns.items()}
        return (
            Sample(
                values.get("instruction"),
                values.get("output"),
                given(values, "input"),
                given(values, "system"),
                rejected=given(values, "rejected"),
                url=name_in(values, "url"),
                task=task_in(values, "task"),
            ),
        )

    return convert
