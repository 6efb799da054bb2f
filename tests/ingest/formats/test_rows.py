"""Whatever stands in a record, it becomes rows that can be written, and none is lost."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seodang.config import TableTemplate
from seodang.errors import SourceError
from seodang.ingest.formats.registry import FORMAT_SPECS
from seodang.ingest.formats.rows import Origin, build_row, get_original
from seodang.ingest.formats.sample import Sample
from seodang.ingest.rows import FIELDS, LABEL_UNKNOWN, get_field_error, make_field_error

ORIGIN = Origin("films", "any", 10)
TABLE = TableTemplate(
    label_column="label", labels={"0": "부정", "<=5": "{text}"}, input="{text}", instructions=["{prompt}", "뭘까?"]
)
KEYS = sorted(
    {name for shape in FORMAT_SPECS for key in (*shape.keys, *shape.optional_keys) for name in key.split("|")}
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-1, 2)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["\n\nHuman: a\n\nAssistant: b", "{text}", "\ud83d", "1 "])
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "system", "tool", "x", 3]),
        "from": st.sampled_from(["human", "gpt", "observation"]),
        "content": LEAVES
        | st.lists(
            st.fixed_dictionaries({}, optional={"type": st.sampled_from(["text", "image_url", 1]), "text": LEAVES}),
            max_size=2,
        ),
        "value": LEAVES,
        "tool_calls": st.lists(
            LEAVES | st.dictionaries(st.sampled_from(["function", "name", "arguments"]), LEAVES, max_size=3), max_size=2
        ),
    },
)
VALUES = LEAVES | st.lists(MESSAGE | LEAVES | st.lists(LEAVES, max_size=2), max_size=4) | MESSAGE
RECORDS = st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=6), min_size=1, max_size=3)
FORMATS = st.sampled_from(
    ["auto", "auto", "table", "columns", *sorted({spec.format.name for spec in FORMAT_SPECS}), "qa"]
)


def test_a_source_with_choices_gives_each_row_its_labels_and_refuses_other_answers():
    origin = Origin("films", "any", 10, choices=("긍정", "부정"))
    rows = [build_row(Sample("어때?", answer), origin, 0) for answer in (" 긍정\n", "글쎄", "")]
    assert [row["choices"] for row in rows] == [["긍정", "부정"]] * 3
    assert rows[0]["output"] == "긍정"
    assert get_field_error(rows[1]["output"]) == LABEL_UNKNOWN
    assert rows[2]["output"] == ""  # another rule reports an empty answer


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS, format=FORMATS)
def test_any_records_give_writable_rows_of_every_record_or_a_source_error(tmp_path, records, format, read_rows):
    named = {"columns": {"instruction": "prompt", "output": "completion"}, "table": TABLE.model_dump()}
    if format in named:
        records = [{"prompt": "왜?", "completion": None, "label": "1", **record} for record in records]
    rows = None
    with suppress(SourceError):
        rows = read_rows(
            tmp_path,
            json.dumps(records),
            format=format,
            limit=20,
            **({format: named[format]} if format in named else {}),
        )
    if rows is None:
        return
    assert {row["source_row"] for row in rows} == {*range(len(records))}
    for row in rows:
        assert tuple(row) == FIELDS
        assert json.loads(json.dumps(row, allow_nan=False)) == row
        assert all({*turn} == {"role", "content"} and isinstance(turn["content"], str) for turn in row["turns"])
        assert isinstance(row["url"], str)
        assert row["task"]
        assert row["desirable"] in (None, True, False)
        assert all(isinstance(choice, str) for choice in row["choices"])


def test_a_long_field_is_truncated_and_named_and_a_field_error_keeps_its_name():
    sample = Sample(
        "a" * 11,
        ["b" * 20],
        "c" * 10,
        system="d" * 11,
        rejected=make_field_error(LABEL_UNKNOWN, "e" * 20),
        url="f" * 11,
    )
    row = build_row(sample, ORIGIN, 0)
    assert row["oversized"] == ["instruction", "output", "system", "url"]
    assert (row["instruction"], row["input"], row["system"], row["url"]) == ("a" * 10, "c" * 10, "d" * 10, "f" * 10)
    assert row["output"] == '["' + "b" * 8
    assert row["rejected"] == make_field_error(LABEL_UNKNOWN, "e" * 10)


def test_a_value_nested_too_deeply_is_cut_to_text():
    row = build_row(Sample(json.loads("[" * 150 + "]" * 150), "x"), ORIGIN, 0)
    assert (row["instruction"], row["oversized"]) == ("[" * 10, ["instruction"])
    assert get_original({"n": json.loads("[" * 150 + "]" * 150), "m": [[1]]}, 10) == {"n": "[" * 10, "m": [[1]]}


def test_the_original_is_nothing_where_the_texts_are_all_of_it():
    assert get_original({"instruction": "a", "input": "", "output": "b"}, 10) is None
    assert get_original({"instruction": "a", "output": "b"}, 10) == {"instruction": "a", "output": "b"}
    assert get_original({"instruction": "a", "input": None, "output": "b"}, 10) == {
        "instruction": "a",
        "input": None,
        "output": "b",
    }
    assert get_original({"instruction": "a", "output": "b", "id": 1}, 10) == {
        "instruction": "a",
        "output": "b",
        "id": 1,
    }


def test_the_language_depends_on_earlier_questions_too():
    turns = [{"role": "user", "content": "날씨 어때?"}, {"role": "tool_call", "content": "{}"}]
    assert build_row(Sample("rain", "비가 와요"), ORIGIN, 0)["language"] == "en"
    assert build_row(Sample("rain", "비가 와요", turns=turns), Origin("films", "any", 100), 0)["language"] == "ko"
    assert (
        get_field_error(build_row(Sample(make_field_error(LABEL_UNKNOWN, "x"), "y"), ORIGIN, 0)["instruction"])
        == LABEL_UNKNOWN
    )
