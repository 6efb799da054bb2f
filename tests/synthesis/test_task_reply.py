"""Replies in JSON and in no form at all: what is read, what is kept apart, and that nothing breaks the parser."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seodang.synthesis.batches import resolve_answer
from seodang.synthesis.calls import Message, Reply, make_call
from seodang.synthesis.task_json import build_schema, parse_task_json
from seodang.synthesis.task_reply import drop_thought, is_cut, parse_reply
from seodang.synthesis.tasks import INPUT, INSTRUCTION, OUTPUT

FIELDS = (INSTRUCTION, INPUT, OUTPUT)
TASKS = [
    {"number": 4, "instruction": "Name the capital.", "input": "France", "output": "Paris"},
    {"number": 5, "instruction": "인사하세요.", "input": "", "output": "안녕하세요."},
]
JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def reply(text, finish_reason="stop"):
    counts = {"prompt_tokens": 1, "completion_tokens": 1}
    received = "2026-11-30T10:00:00+00:00"
    return Reply(key="k", text=text, finish_reason=finish_reason, model="m", received=received, **counts)


def parse(text, finish_reason="stop"):
    return parse_reply(reply(text, finish_reason), FIELDS, first=1)


def texts(parsed):
    return [(task.number, *task.texts.values()) for task in parsed.tasks]


def reasons(parsed):
    return [part.reason for part in parsed.broken]


def dump(tasks=TASKS):
    return json.dumps({"tasks": tasks}, ensure_ascii=False)


@pytest.mark.parametrize(
    "text",
    [
        dump(),
        f"```json\n{dump()}\n```\nDone.",
        json.dumps(TASKS),
        f" \n{dump()}",
        f"Here are the tasks:\n\n```json\n{dump()}\n```",
        f"Here are the tasks [2]: {dump()}",
        "\n".join(map(json.dumps, TASKS)),
        "\n".join(f"```json\n{json.dumps(task)}\n```\nand" for task in TASKS),
        f"\ufeff{dump()}",
    ],
    ids=[
        "as asked",
        "code block",
        "bare list",
        "blanks before",
        "remark before a code block",
        "remark before",
        "one in each line",
        "a code block for each",
        "byte order mark",
    ],
)
def test_tasks_in_json_are_read_in_any_usual_form(text):
    assert texts(parse(text)) == [tuple(task.values()) for task in TASKS]


DRAFT = "###\n4. Instruction: A draft.\n4. Input:\n<none>\n4. Output:\nno\n###"


@pytest.mark.parametrize(
    "thought",
    [
        "<think>\n{}\n</think>\n",
        "{}\n</think>\n\n",
        "<thinking>{}</thinking>",
        "[THINK]{}[/THINK]",
        "\n<think></think><think>{}</think>",
    ],
)
@pytest.mark.parametrize("draft", [DRAFT, dump([{**TASKS[0], "instruction": "A draft."}])])
def test_the_reasoning_before_an_answer_is_no_part_of_it(thought, draft):
    reasoned = reply(thought.format(draft) + dump())
    assert texts(parse_reply(reasoned, FIELDS, first=1)) == [tuple(task.values()) for task in TASKS]
    call = make_call(model="m", messages=[Message(role="user", content="a")], max_tokens=5, temperature=0.0)
    answer = resolve_answer(call, reply(thought.format(draft) + "안녕하세요."))
    assert answer.tasks[1].texts["output"] == "안녕하세요."


@pytest.mark.parametrize(("finish_reason", "expected"), [("length", "cut"), ("stop", "empty")])
def test_a_reply_that_ends_in_its_reasoning_has_no_answer(finish_reason, expected):
    text = f"<think>{DRAFT}"
    assert reasons(parse(text, finish_reason)) == [expected]
    call = make_call(model="m", messages=[Message(role="user", content="a")], max_tokens=5, temperature=0.0)
    ((_number, rejection),) = resolve_answer(call, reply(text, finish_reason)).rejections
    assert (rejection.reason, rejection.text) == (expected, text)


def test_an_answer_about_the_marks_of_reasoning_stays_as_it_is():
    text = "Put it between <think> and </think>."
    assert drop_thought(text) == text


@pytest.mark.parametrize(
    "finish_reason", ["length", "max_tokens", "MAX_TOKENS", "model_length", "error", "insufficient_system_resource"]
)
def test_a_reply_is_cut_by_whatever_name_the_endpoint_has_for_it(finish_reason):
    assert is_cut(reply("half", finish_reason))
    assert not is_cut(reply("ok", "stop"))


def test_null_in_json_is_none_where_a_field_may_be_empty():
    parsed = parse(dump([{**TASKS[1], "input": None}, {**TASKS[0], "output": None}]))
    assert texts(parsed) == [tuple(TASKS[1].values())]
    assert reasons(parsed) == ["incomplete"]


def test_a_line_break_within_a_text_of_json_is_read_as_one():
    assert parse(dump().replace("Paris", "Paris\nLyon")).tasks[0].texts["output"] == "Paris\nLyon"


def test_a_reply_without_numbers_is_counted_from_the_first_one():
    bare = [{key: value for key, value in task.items() if key != "number"} for task in TASKS]
    assert [task.number for task in parse_task_json(dump(bare), FIELDS, first=7, is_cut=False).tasks] == [7, 8]


def test_the_objects_before_a_cut_are_kept_and_the_rest_is_named():
    parsed = parse(dump()[:-20], "length")
    assert texts(parsed) == [tuple(TASKS[0].values())]
    assert reasons(parsed) == ["cut"]
    assert "인사하세요" in parsed.broken[0].raw
    assert reasons(parse(dump()[:-20])) == ["unparsable"]


def test_an_object_without_a_text_is_kept_apart_with_the_name_of_the_field():
    tasks = [{**TASKS[0], "output": 3}, {**TASKS[1], "instruction": " "}, {**TASKS[1], "number": True}, "text"]
    parsed = parse(dump(tasks))
    assert not parsed.tasks
    assert [part.detail for part in parsed.broken] == [
        "object 1 has no text under output",
        "object 2 has no text under instruction",
        "object 3 has no number under number",
        "no complete JSON object",
    ]


@pytest.mark.parametrize(
    ("text", "finish_reason", "expected"),
    [
        ("", "stop", "empty"),
        (" \n", "length", "empty"),
        ("I cannot help with that.", "stop", "unparsable"),
        ("I cannot he", "length", "cut"),
        ("[" * 100_000, "stop", "unparsable"),
        ("{" + '"a":' * 3, "stop", "unparsable"),
    ],
)
def test_a_reply_without_a_task_is_kept_whole_with_its_reason(text, finish_reason, expected):
    parsed = parse(text, finish_reason)
    assert not parsed.tasks
    assert reasons(parsed) == [expected]


def test_half_a_character_in_json_becomes_a_question_mark():
    assert parse('[{"instruction": "a\\ud800", "input": "", "output": "b"}]').tasks[0].texts["instruction"] == "a?"


@given(st.text() | JSON_VALUE.map(json.dumps), st.sampled_from(["stop", "length", ""]))
def test_any_reply_is_read_without_an_error_and_leaves_a_task_or_a_reason(text, finish_reason):
    parsed = parse(text, finish_reason)
    assert parsed.tasks or parsed.broken


@given(st.integers(0, len(dump())))
def test_a_reply_cut_anywhere_keeps_only_what_the_teacher_finished(position):
    parsed = parse(dump()[:position], "length")
    assert texts(parsed) == [tuple(task.values()) for task in TASKS][: len(parsed.tasks)]


def test_the_schema_describes_what_the_parser_reads():
    schema = build_schema(FIELDS, is_numbered=True)
    task = schema["properties"]["tasks"]["items"]
    assert task["required"] == ["number", "instruction", "input", "output"]
    assert task["additionalProperties"] is False
