"""The majority of the first records decides the format of a file; a key without a value does not count."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seodang.config import IngestParams, SourceParams
from seodang.errors import SourceError
from seodang.ingest.formats.detect import detect_reader, select_reader
from seodang.ingest.rows import LABEL_UNKNOWN, get_field_error
from seodang.ingest.sources import iter_source_rows
from seodang.ingest.tally import Tally

ALPACA = {"instruction": "가", "input": "", "output": "나"}
PAIR = {"instruction": "수도는?", "chosen": "서울", "rejected": "부산"}
CHAT = {"messages": [{"role": "user", "content": "가"}, {"role": "assistant", "content": "나"}]}
SHARED = {"conversations": [{"from": "human", "value": "가"}, {"from": "gpt", "value": "나"}]}
PRIMER = {"seed": 1, "sentiment_per_language": 2, "classification_per_language": 2, "open_per_language": 2}


@pytest.fixture(scope="module")
def ingest_params(build_file_source):
    return IngestParams.model_validate(
        {"sources": [build_file_source("films", "a.json")], "primer": PRIMER, "max_field_characters": 100}
    )


@pytest.fixture(scope="module")
def source(build_file_source):
    def source(path):
        return SourceParams.model_validate(build_file_source("films", path))

    return source


def formats(rows):
    return [row["format"] for row in rows]


@pytest.mark.parametrize("nothing", [None, float("nan"), "", [], {}])
@pytest.mark.parametrize(
    "keys", [("messages",), ("chosen", "rejected"), ("conversations",), ("kto_tag",), ("instances",)]
)
def test_a_key_without_a_value_in_any_record_does_not_count(tmp_path, nothing, keys, get_texts, read_rows):
    rows = read_rows(tmp_path, [{**ALPACA, **dict.fromkeys(keys, nothing)}] * 3)
    assert formats(rows) == ["alpaca"] * 3
    assert get_texts(rows) == [("가", "", "나")] * 3


def test_a_column_of_nulls_in_a_table_does_not_count(tmp_path, read_rows, source, ingest_params):
    columns = {
        "instruction": ["가"],
        "input": [""],
        "output": ["나"],
        "messages": pa.array([None], pa.string()),
        "chosen": pa.array([None], pa.null()),
        "rejected": [float("nan")],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    (row,) = iter_source_rows(source("a.parquet"), ingest_params, tmp_path, Tally())
    assert (row["format"], row["output"]) == ("alpaca", "나")
    assert formats(read_rows(tmp_path, "instruction,output,messages\n가,나,\n다,라,\n", file="a.csv")) == [
        "alpaca",
        "alpaca",
    ]


@pytest.mark.parametrize("stray", [0, 1, 19, 25])
def test_a_stray_record_decides_for_no_other_and_is_read_by_its_own_format(tmp_path, stray, read_rows):
    rows = read_rows(tmp_path, [PAIR if number == stray else ALPACA for number in range(30)])
    assert formats(rows) == ["preference" if number == stray else "alpaca" for number in range(30)]
    assert (rows[stray]["output"], rows[stray]["rejected"]) == ("서울", "부산")
    assert all(row["output"] == "나" for row in rows if row["format"] == "alpaca")


def test_a_stray_record_of_no_known_format_lacks_the_keys_of_its_file(tmp_path, get_texts, read_rows):
    rows = read_rows(
        tmp_path, [ALPACA, ALPACA, {"제목": "가", "글": "나"}, {"instruction": "가", "answer": "나"}, {"prompt": "가"}]
    )
    assert formats(rows) == ["alpaca"] * 5
    assert get_texts(rows)[2:] == [(None, "", None), ("가", "", None), (None, "", None)]


def test_of_formats_with_as_many_records_the_first_one_is_that_of_the_file(tmp_path, read_rows):
    unknown = {"제목": "가"}
    assert formats(read_rows(tmp_path, [ALPACA, PAIR, PAIR, ALPACA, unknown])) == [
        "alpaca",
        "preference",
        "preference",
        "alpaca",
        "alpaca",
    ]
    assert formats(read_rows(tmp_path, [PAIR, ALPACA, ALPACA, PAIR, unknown]))[-1] == "preference"


def test_conversations_under_either_key_are_read_in_one_file(tmp_path, get_texts, read_rows):
    rows = read_rows(tmp_path, [CHAT, SHARED, {**CHAT, "conversations": None}, {"messages": None, **SHARED}, ALPACA])
    assert get_texts(rows) == [("가", "", "나")] * 5
    assert formats(rows) == ["messages", "sharegpt", "messages", "sharegpt", "alpaca"]


def test_a_record_that_only_lacks_a_key_of_its_file_is_not_taken_for_another_format(tmp_path, read_rows):
    rows = read_rows(tmp_path, [{**CHAT, "label": True}, {**CHAT, "label": False}, CHAT])
    assert formats(rows) == ["kto"] * 3
    assert [row["desirable"] for row in rows] == [True, False, None]
    assert get_field_error(rows[2]["output"]) == LABEL_UNKNOWN
    rows = read_rows(
        tmp_path, [{"prompt": "가", "chosen": "나", "rejected": "다"}] * 2 + [{"prompt": "가", "chosen": "나"}]
    )
    assert formats(rows) == ["preference"] * 3
    rows = read_rows(
        tmp_path,
        [{"instruction": "가", "context": "", "response": "나", "category": "qa"}] * 2
        + [{"instruction": "다", "response": "라"}],
    )
    assert (formats(rows), rows[2]["output"]) == (["dolly"] * 3, "라")


@pytest.mark.parametrize("good", [CHAT, SHARED, ALPACA])
def test_an_answer_marked_as_bad_is_so_among_answers_that_are_not_marked(tmp_path, good, read_rows):
    bad = {**good, **({"kto_tag": False} if good is ALPACA else {"label": False})}
    rows = read_rows(tmp_path, [good, good, bad])
    assert [row["desirable"] for row in rows] == [None, None, False]


def test_a_label_beside_prompt_and_completion_is_a_verdict_or_unknown_but_never_ignored(tmp_path, read_rows):
    rows = read_rows(tmp_path, [{"prompt": "가", "completion": "나", "label": label} for label in (0, 1, 0, 1, 2)])
    assert (formats(rows), [row["desirable"] for row in rows]) == (["kto"] * 5, [False, True, False, True, None])
    assert [get_field_error(row["output"]) for row in rows] == [None] * 4 + [LABEL_UNKNOWN]


def test_questions_without_answers_do_not_outvote_those_with_them(tmp_path, get_texts, read_rows):
    rows = read_rows(tmp_path, [{"prompt": "가", "completion": None}] * 3 + [{"prompt": "가", "completion": "나"}])
    assert (formats(rows), get_texts(rows)[3]) == (["qa"] * 4, ("가", "", "나"))


def test_a_context_that_the_first_records_lack_is_read_where_it_comes(tmp_path, get_texts, read_rows):
    rows = read_rows(
        tmp_path,
        [{"question": "가", "context": None, "answer": "나"}] * 25
        + [{"question": "가", "context": "다", "answer": "나"}],
    )
    assert [get_texts(rows)[0], get_texts(rows)[-1]] == [("가", "", "나"), ("가", "다", "나")]


def test_a_file_without_any_answer_is_still_detected_by_its_columns(tmp_path, get_texts, read_rows):
    rows = read_rows(tmp_path, [{"instruction": "가", "output": None}] * 2)
    assert (formats(rows), get_texts(rows)[0]) == (["alpaca"] * 2, ("가", "", None))


def test_a_forced_format_holds_for_every_record(tmp_path, read_rows):
    assert formats(read_rows(tmp_path, [ALPACA, PAIR], format="alpaca")) == ["alpaca", "alpaca"]


def test_a_record_of_a_labelled_table_is_read_as_its_table():
    cells = {"id": "1", "document": "좋다", "label": "1"}
    one = detect_reader([*cells], [cells], format="auto", columns=None, table=None, location="a.tsv")
    assert one.name == "nsmc"
    assert select_reader({**cells, "document": None, "instruction": "가", "output": "나"}, one) is one


def test_the_manifest_names_every_format_of_a_file(tmp_path, source, ingest_params):
    (tmp_path / "a.jsonl").write_text(
        '{"instruction": "가", "output": "나", "n": 1}\n{"prompt": "가", "chosen": "나", "rejected": "다"}\n', "utf-8"
    )
    tally = Tally()
    assert len(list(iter_source_rows(source("a.jsonl"), ingest_params, tmp_path, tally))) == 2
    assert (tally.formats, tally.ignored_keys.list_names()) == (["alpaca", "preference"], ["n"])


def test_the_message_about_a_row_of_lists_says_how_to_write_a_row_for_each_value(tmp_path, read_rows):
    with pytest.raises(SourceError, match=r"data\.json holds one row with all values .*df\.explode"):
        read_rows(tmp_path, [{"question": ["가", "나"], "answer": ["다", None], "n": [1, 2]}])


@pytest.mark.parametrize(
    "record",
    [
        {"questions": ["가", "나"], "outputs": ["다", "라"]},
        {"instruction": ["가"], "output": ["나", "다"]},
        {"prompt": "가", "completion": "나"},
    ],
)
def test_one_record_with_lists_is_no_table_by_column(tmp_path, record, read_rows):
    assert len(read_rows(tmp_path, [record])) == 1


def test_a_record_that_stands_within_is_named_with_its_input():
    record = {"ko": {"instruction": "가", "input": "", "output": "나"}}
    with pytest.raises(
        SourceError, match=r"columns: \{instruction: ko\.instruction, input: ko\.input, output: ko\.output\}"
    ):
        detect_reader(["ko"], [record], format="auto", columns=None, table=None, location="a.json")
