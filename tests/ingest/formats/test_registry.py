"""Formats are detected by the keys of the first records, and can be forced."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from seodang.config import SourceParams
from seodang.config.record_formats import FORMAT_NAMES, FORMATS
from seodang.errors import SourceError
from seodang.ingest.formats.registry import FORMAT_SPECS, describe_formats


def test_every_spec_belongs_to_a_registered_format_and_names_are_unique():
    assert {spec.format for spec in FORMAT_SPECS} <= {*FORMATS}
    assert len({*FORMAT_NAMES}) == len(FORMAT_NAMES)


def test_params_yaml_takes_the_formats_of_the_registry_and_no_other(build_file_source):
    assert SourceParams.model_json_schema()["properties"]["format"]["enum"] == [*FORMAT_NAMES]
    with pytest.raises(ValidationError, match=r"unknown format; expected one of: auto, alpaca, koalpaca, "):
        SourceParams.model_validate(build_file_source("mine", "a.json", format="alpacca"))


def test_an_unknown_format_is_described_in_korean(tmp_path, monkeypatch, read_rows):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(SourceError, match=r"레코드 형식을 알 수 없습니다.*가장 가까운 형식은 alpaca"):
        read_rows(tmp_path, [{"instruction": "가", "reply": "나"}])


def test_the_keys_of_the_first_records_count_together(tmp_path, read_rows):
    rows = read_rows(
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
            r"the records are nested under raw: write format: columns, columns: \{instruction: raw.instruction, output: raw.output\}",
        ),
    ],
)
def test_the_message_on_an_unknown_format_names_its_keys_the_nearest_format_and_all_formats(
    tmp_path, record, nearest, read_rows
):
    with pytest.raises(SourceError, match=nearest) as raised:
        read_rows(tmp_path, [record])
    assert describe_formats() in str(raised.value)


def test_a_message_truncates_very_many_keys(tmp_path, read_rows):
    with pytest.raises(SourceError) as raised:
        read_rows(tmp_path, [{f"key {number}": 1 for number in range(1000)}])
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
def test_a_format_can_be_forced(tmp_path, format, record, read_rows):
    (row,) = read_rows(tmp_path, [record], format=format)
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
def test_the_message_on_a_wrong_forced_format_names_the_missing_keys(tmp_path, format, message, read_rows):
    with pytest.raises(SourceError, match=message):
        read_rows(tmp_path, [{"instruction": "가", "답변": "나"}], format=format)


def test_the_message_on_a_question_table_without_answers_names_possible_columns(tmp_path, read_rows):
    with pytest.raises(SourceError, match=r"it lacks an answer \(output, answer, a, .*답변"):
        read_rows(tmp_path, [{"질문": "가", "글": "나"}], format="qa")


@pytest.mark.parametrize(
    "columns", [{"instruction": "raw.question", "output": "raw.answer"}, {"instruction": "q", "output": "raw.reply"}]
)
def test_the_message_on_a_named_key_that_no_record_has_lists_the_keys(tmp_path, columns, read_rows):
    with pytest.raises(
        SourceError,
        match=r"data\.json has no key for columns\.(output 'raw\.answer'|instruction 'q'); found the keys raw",
    ):
        read_rows(tmp_path, [{"raw": {"question": "가", "reply": "나"}}], format="columns", columns=columns)


@pytest.mark.parametrize(("format", "columns"), [("columns", None), ("columns", {"output": "a"}), ("table", None)])
def test_columns_and_table_need_what_they_read_by(tmp_path, format, columns, read_rows):
    with pytest.raises(SourceError, match=r"format (columns needs the key of the instruction|table needs a template)"):
        read_rows(tmp_path, [{"q": "가", "a": "나"}], format=format, columns=columns)


def test_texts_of_a_csv_whose_last_line_is_cut_are_read_up_to_it(tmp_path, get_texts, read_rows):
    rows = read_rows(tmp_path, "instruction,output\n가,나\n다", file="cut.csv")
    assert get_texts(rows) == [("가", "", "나"), ("다", "", None)]
