"""Formats are told by the keys of the first records, and can be forced."""

from __future__ import annotations

from typing import get_args

import pytest
from tiny_sources import rows_of, texts

from seodang.config import Format
from seodang.errors import SourceError
from seodang.ingest.formats.registry import FORMAT_SPECS, describe_formats


def test_every_format_of_params_yaml_has_a_reader():
    assert {shape.format for shape in FORMAT_SPECS} | {"auto", "qa", "columns", "table"} == {*get_args(Format)}


def test_the_keys_of_the_first_records_count_together(tmp_path):
    rows = rows_of(
        tmp_path, [{"instruction": "가"}, {"instruction": "나", "output": "다", "url": "https://example.org"}]
    )
    assert [row["format"] for row in rows] == ["koalpaca", "koalpaca"]


@pytest.mark.parametrize(
    ("record", "nearest"),
    [
        (
            {"instruction": "가", "reply": "나"},
            r"found the keys instruction, reply; the nearest is alpaca, but output is missing; known formats",
        ),
        ({"chosen": "가", "rejected_answer": "나"}, r"the nearest is preference, but rejected is missing"),
        ({"질문": "가", "글": "나"}, r"the nearest is qa, but an answer \(output, answer, .*\) is missing"),
        ({"label": 1, "text": "가"}, r"found the keys label, text; known formats: preference \(chosen \+ rejected\), "),
        (
            {"raw": {"instruction": "가", "output": "나"}, "n": 1},
            r"a record stands within raw: write format: columns, columns: \{instruction: raw.instruction, output: raw.output\}",
        ),
    ],
)
def test_an_unknown_format_is_told_with_its_keys_the_nearest_format_and_all_formats(tmp_path, record, nearest):
    with pytest.raises(SourceError, match=nearest) as raised:
        rows_of(tmp_path, [record])
    assert describe_formats() in str(raised.value)


def test_very_many_keys_are_told_in_part(tmp_path):
    with pytest.raises(SourceError) as raised:
        rows_of(tmp_path, [{f"key {number}": 1 for number in range(1000)}])
    assert "key 0, key 1, " in str(raised.value)
    assert len(str(raised.value)) < 2000


@pytest.mark.parametrize(
    ("format", "record"),
    [
        ("alpaca", {"instruction": "가", "output": "나", "url": "https://example.org", "category": "x"}),
        ("koalpaca", {"instruction": "가", "output": "나"}),
        ("dolly", {"instruction": "가", "response": "나"}),
        ("qa", {"instruction": "가", "output": "나", "instances": []}),
        (
            "sharegpt",
            {
                "messages": [{"from": "human", "value": "가"}, {"from": "gpt", "value": "나"}],
                "chosen": 1,
                "rejected": 2,
            },
        ),
        ("messages", {"conversations": [{"role": "user", "content": "가"}, {"role": "assistant", "content": "나"}]}),
        ("kto", {"prompt": "가", "completion": "나", "label": 1}),
    ],
)
def test_a_format_can_be_forced(tmp_path, format, record):
    (row,) = rows_of(tmp_path, [record], format=format)
    assert (row["format"], row["instruction"], row["output"]) == (format, "가", "나")


@pytest.mark.parametrize(
    ("format", "message"),
    [
        (
            "alpaca",
            r"data\.json is not of format alpaca: it lacks output; found the keys instruction, 답변; correct format in params\.yaml",
        ),
        ("messages", r"it lacks messages;"),
        ("preference", r"it lacks chosen and rejected;"),
        ("kto", r"it lacks messages or conversations and kto_tag;|it lacks output and kto_tag;"),
        ("self-instruct", r"it lacks instances;"),
        ("prompts", r"it lacks prompt;|it lacks turns;"),
    ],
)
def test_a_forced_format_that_the_file_has_not_is_told_with_the_missing_keys(tmp_path, format, message):
    with pytest.raises(SourceError, match=message):
        rows_of(tmp_path, [{"instruction": "가", "답변": "나"}], format=format)


def test_a_table_of_questions_that_lacks_answers_is_told_with_the_names_they_may_have(tmp_path):
    with pytest.raises(SourceError, match=r"it lacks an answer \(output, answer, a, .*답변"):
        rows_of(tmp_path, [{"질문": "가", "글": "나"}], format="qa")


@pytest.mark.parametrize(
    "columns", [{"instruction": "raw.question", "output": "raw.answer"}, {"instruction": "q", "output": "raw.reply"}]
)
def test_a_named_key_that_no_record_has_is_told_with_the_keys_there_are(tmp_path, columns):
    with pytest.raises(
        SourceError,
        match=r"data\.json has no key for columns\.(output 'raw\.answer'|instruction 'q'); found the keys raw",
    ):
        rows_of(tmp_path, [{"raw": {"question": "가", "reply": "나"}}], format="columns", columns=columns)


@pytest.mark.parametrize(("format", "columns"), [("columns", None), ("columns", {"output": "a"}), ("table", None)])
def test_columns_and_table_need_what_they_read_by(tmp_path, format, columns):
    with pytest.raises(SourceError, match=r"format (columns needs the key of the instruction|table needs a template)"):
        rows_of(tmp_path, [{"q": "가", "a": "나"}], format=format, columns=columns)


def test_texts_of_a_csv_whose_last_line_is_cut_are_read_up_to_it(tmp_path):
    rows = rows_of(tmp_path, "instruction,output\n가,나\n다", file="cut.csv")
    assert texts(rows) == [("가", "", "나"), ("다", "", None)]
