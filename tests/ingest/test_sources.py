"""What each kind of source file becomes, and what is said of one that cannot be used."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.constants import SENTIMENT_TABLE

from seodang.config import IngestParams, SourceParams
from seodang.errors import SourceError
from seodang.ingest.rows import FIELDS, get_field_error
from seodang.ingest.sources import iter_source_rows
from seodang.ingest.tally import Tally
from seodang.io.jsonl import read_rows, write_rows

PRIMER = {"seed": 1, "sentiment_per_language": 2, "classification_per_language": 2, "open_per_language": 2}


@pytest.fixture(scope="module")
def source(build_file_source):
    def source(path="data.json", **changes):
        return SourceParams.model_validate({**build_file_source("films", path), **changes})

    return source


def read(root, one, max_field_characters=1000):
    ingest = IngestParams.model_validate(
        {"sources": [one.model_dump()], "primer": PRIMER, "max_field_characters": max_field_characters}
    )
    return list(iter_source_rows(one, ingest, root, Tally()))


@pytest.fixture(scope="module")
def read_text(source):
    def read_text(root, name, text, *, encoding="utf-8", **changes):
        (root / name).write_bytes(text.encode(encoding))
        return read(root, source(name, **changes))

    return read_text


def texts(rows):
    return [(row["instruction"], row["input"], row["output"]) for row in rows]


def test_a_json_list_and_its_jsonl_and_csv_give_the_same_texts(tmp_path, read_text):
    records = [
        {"instruction": "요약해", "input": "긴 글", "output": "짧은 글"},
        {"instruction": "Say hi", "input": "", "output": "Hi, you"},
    ]
    as_csv = 'instruction,input,output\n요약해,긴 글,짧은 글\nSay hi,,"Hi, you"\n'
    expected = [tuple(record.values()) for record in records]
    assert texts(read_text(tmp_path, "a.json", json.dumps(records, ensure_ascii=False, indent=1))) == expected
    assert texts(read_text(tmp_path, "a.jsonl", "\n\n".join(json.dumps(record) for record in records))) == expected
    assert texts(read_text(tmp_path, "b.json", "\n".join(json.dumps(record) for record in records))) == expected
    assert texts(read_text(tmp_path, "a.csv", as_csv)) == expected
    assert (
        texts(read_text(tmp_path, "a.tsv", "instruction\tinput\toutput\n요약해\t긴 글\t짧은 글\nSay hi\t\tHi, you"))
        == expected
    )


def test_a_row_has_exactly_the_fields_of_the_contract_and_says_where_it_was_found(tmp_path, read_text):
    rows = read_text(
        tmp_path,
        "data.jsonl",
        '{"instruction": "가"}\n{"instruction": "무엇을 할까?", "output": "쉬자", "url": "https://example.org"}',
    )
    assert [tuple(row) for row in rows] == [FIELDS, FIELDS]
    assert rows[1] == {
        "instruction": "무엇을 할까?",
        "input": "",
        "output": "쉬자",
        "system": "",
        "turns": [],
        "rejected": "",
        "desirable": None,
        "url": "https://example.org",
        "language": "ko",
        "source": "films",
        "task": "films",
        "cluster": "films",
        "choices": [],
        "role": "any",
        "file": "data.jsonl",
        "source_row": 1,
        "format": "koalpaca",
        "oversized": [],
        "marks": {},
        "original": {"instruction": "무엇을 할까?", "output": "쉬자", "url": "https://example.org"},
    }


def test_the_source_may_name_language_task_cluster_and_role(tmp_path, read_text):
    (row,) = read_text(
        tmp_path,
        "data.json",
        '[{"instruction": "가", "output": "나"}]',
        language="en",
        task="chat",
        cluster="talk",
        role="train",
    )
    assert (row["language"], row["task"], row["cluster"], row["role"]) == ("en", "chat", "talk", "train")


@pytest.mark.parametrize(
    ("instruction", "language"),
    [("이 영화 어때요?", "ko"), (unicodedata.normalize("NFD", "이 영화 어때요?"), "ko"), ("How is the film?", "en")],
    ids=["nfc", "nfd", "english"],
)
def test_the_language_is_detected_from_the_text(tmp_path, instruction, language, read_text):
    (row,) = read_text(tmp_path, "data.json", json.dumps([{"instruction": instruction, "output": "x"}]))
    assert row["language"] == language


def test_values_stay_as_they_were_found_so_that_validation_can_name_them(tmp_path, read_text):
    rows = read_text(
        tmp_path,
        "data.json",
        '[{"instruction": 3, "input": ["a"], "output": null}, {"instruction": "가", "input": null, "output": NaN}]',
    )
    assert texts(rows) == [(3, ["a"], None), ("가", "", None)]


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_text(tmp_path, read_text):
    rows = read_text(tmp_path, "data.csv", "instruction,output\r\n질문,답\r\n둘,이\r\n", encoding="utf-8-sig")
    assert texts(rows) == [("질문", "", "답"), ("둘", "", "이")]
    rows = read_text(tmp_path, "data.jsonl", '{"instruction": "질문", "output": "답"}\r\n', encoding="utf-8-sig")
    assert texts(rows) == [("질문", "", "답")]


def test_the_task_is_the_sources_else_the_records_else_the_name_of_the_source(tmp_path, read_text):
    records = json.dumps(
        [
            {"instruction": "가", "output": "나", "task": "요약"},
            {"instruction": "가", "output": "나"},
            {"instruction": "가", "output": "나", "task": "긴 글 " * 30},
        ]
    )
    assert [(row["task"], row["cluster"]) for row in read_text(tmp_path, "a.json", records)] == [
        ("요약", "요약"),
        ("films", "films"),
        ("films", "films"),
    ]
    assert {row["task"] for row in read_text(tmp_path, "a.json", records, task="chat")} == {"chat"}


def test_the_original_is_kept_where_it_holds_more_than_the_three_texts_and_its_long_values_are_cut(tmp_path, read_text):
    plain, more = read_text(
        tmp_path,
        "a.json",
        json.dumps(
            [
                {"instruction": "가", "input": "", "output": "나"},
                {"instruction": "가", "output": "나", "note": "x" * 2000, "more": {"a": ["y" * 2000]}},
            ]
        ),
    )
    assert plain["original"] is None
    assert more["original"]["note"] == "x" * 1000
    assert more["original"]["more"] == '{"a": ["' + "y" * 992


def test_stray_quotes_in_a_tsv_are_letters_and_swallow_no_line(tmp_path, read_text):
    tsv = 'id\tdocument\tlabel\n1\t"최고의 영화\t1\n2\t별로 "라고"\t0\n3\t그냥"\t0\n'
    rows = read_text(tmp_path, "nsmc.tsv", tsv, format="table", table=SENTIMENT_TABLE)
    assert texts(rows) == [
        ("긍정인가요, 부정인가요?", text, answer)
        for text, answer in [('"최고의 영화', "긍정"), ('별로 "라고"', "부정"), ('그냥"', "부정")]
    ]


def test_quotes_in_a_csv_hold_commas_line_breaks_and_doubled_quotes(tmp_path, read_text):
    rows = read_text(tmp_path, "data.csv", 'instruction,output\n"하나,\n둘","그가 ""네""라고 했다"\n')
    assert texts(rows) == [("하나,\n둘", "", '그가 "네"라고 했다')]


def test_the_limit_takes_the_same_rows_wherever_they_stand(tmp_path, read_text):
    records = [{"instruction": f"질문 {number}", "output": f"답 {number}"} for number in range(50)]
    forward = read_text(tmp_path, "a.json", json.dumps(records), limit=7)
    backward = read_text(tmp_path, "a.json", json.dumps(records[::-1]), limit=7)
    assert len(forward) == 7
    assert texts(forward) == texts(backward)[::-1]
    assert texts(forward) != texts(read_text(tmp_path, "a.json", json.dumps(records)))[:7]


def test_a_glob_reads_its_files_in_order_of_name_and_counts_rows_in_each(tmp_path, source):
    for name in ("b", "a"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"instruction": name, "output": "x"}), "utf-8")
    assert [(row["file"], row["source_row"]) for row in read(tmp_path, source("*.jsonl"))] == [
        ("a.jsonl", 0),
        ("b.jsonl", 0),
    ]


def test_the_primer_keeps_its_own_tasks_languages_and_choices(tmp_path, source):
    rows = read(tmp_path, source(None, kind="primer", name="primer"))
    sentiment = [row for row in rows if row["task"] == "sentiment"]
    assert {row["language"] for row in rows} == {"ko", "en"}
    assert all(row["output"] in row["choices"] for row in sentiment)
    assert sentiment
    assert {row["file"] for row in rows} == {""}


@pytest.mark.parametrize("name", ["big.json", "big.jsonl", "big.csv", "big.tsv"])
def test_a_field_of_millions_of_letters_is_cut_and_named_and_harms_no_other_row(tmp_path, name, read_text):
    letters = "가" * 5_000_000
    records = [{"instruction": "요약해", "output": letters}, {"instruction": "둘", "output": "이"}]
    separator = "\t" if name.endswith("tsv") else ","
    text = {
        "big.json": json.dumps(records, ensure_ascii=False),
        "big.jsonl": "\n".join(json.dumps(record, ensure_ascii=False) for record in records),
    }.get(
        name, "\n".join(separator.join(line) for line in [("instruction", "output"), ("요약해", letters), ("둘", "이")])
    )
    cut, complete = read_text(tmp_path, name, text)
    assert (cut["output"], cut["oversized"]) == ("가" * 1000, ["output"])
    assert (complete["output"], complete["oversized"]) == ("이", [])


def test_a_huge_or_deep_value_that_is_not_text_is_cut_too(tmp_path, read_text):
    wide, deep = read_text(
        tmp_path,
        "a.json",
        json.dumps(
            [
                {"instruction": ["가" * 2000], "output": "x"},
                {"instruction": json.loads("[" * 300 + "]" * 300), "output": "x"},
            ]
        ),
    )
    assert wide["oversized"] == deep["oversized"] == ["instruction"]
    assert len(wide["instruction"]) == 1000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("cut.json", '[\n {"instruction": "가",\n  "output": "나"', r"cut\.json, line 3, column 16: this is not JSON"),
        ("한글.json", '[{"instruction": "맛있는" "output"}]', r'한글\.json, line 1, column 24: .*near ".*맛있는'),
        ("numbers.json", "[1, 2]", r"numbers\.json, item 1 is a number \(1\), expected an object"),
        ("texts.jsonl", '"가"\n', r"texts\.jsonl, line 1 is text \(가\), expected an object"),
        (
            "digits.json",
            '[{"instruction": "가",\n"output": ' + "9" * 5000 + "}]",
            r"digits\.json, line 2, column 11: .*4,300 digits",
        ),
        ("twice.csv", "instruction,output,output\n가,나,다\n", r"twice\.csv: two columns have the name output"),
        (
            "chat.json",
            '[{"message": [], "이름": 1}]',
            r"chat\.json: the record format is unknown; found the keys message, 이름; .*known formats: ",
        ),
        ("nothing.json", "[{}, {}]", r"nothing\.json: the record format is unknown; found the keys \(none\)"),
        ("prose.txt", "그냥 글이다.", r'prose\.txt is not JSON, .*: it begins with "그냥 글이다\."'),
        ("empty.json", "", r"empty\.json is empty"),
        ("blank.jsonl", "\n \n", r"blank\.jsonl is empty"),
        ("none.json", "[]", r"none\.json is empty"),
        ("header.csv", "instruction,output\n", r"header\.csv is empty"),
    ],
)
def test_the_message_about_an_unusable_file_gives_the_position_and_the_fix(tmp_path, name, text, message, read_text):
    with pytest.raises(SourceError, match=message):
        read_text(tmp_path, name, text)


@pytest.mark.parametrize("encoding", ["cp949", "euc-kr", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_another_encoding_gives_its_texts(tmp_path, read_text, encoding):
    (row,) = read_text(
        tmp_path, "excel.csv", "instruction,output\n배송은 언제 오나요?,내일 옵니다\n", encoding=encoding
    )
    assert (row["instruction"], row["output"]) == ("배송은 언제 오나요?", "내일 옵니다")


def test_an_unreadable_row_has_a_field_error_and_stops_no_other(tmp_path, read_text):
    rows = read_text(
        tmp_path,
        "bad.jsonl",
        '{"instruction": "가", "output": "나"}\n\n{"instruction": }\n[1]\n{"instruction": "다", "output": "라"}\n',
    )
    assert [row["source_row"] for row in rows] == [0, 1, 2, 3]
    assert texts(rows)[::3] == [("가", "", "나"), ("다", "", "라")]
    assert [[get_field_error(row[name]) for name in ("instruction", "input", "output")] for row in rows[1:3]] == [
        ["row-unreadable"] * 3
    ] * 2
    assert "line 3, column 17" in rows[1]["output"]["found"]
    assert [row["original"] for row in rows] == [
        {"instruction": "가", "output": "나"},
        '{"instruction": }',
        "[1]",
        {"instruction": "다", "output": "라"},
    ]


def test_a_file_of_which_no_row_can_be_read_is_unusable(tmp_path, read_text):
    with pytest.raises(
        SourceError, match=r"bad\.jsonl, line 1, column 2: this is not JSON .*none of its rows can be read"
    ):
        read_text(tmp_path, "bad.jsonl", "{]\n{]\n")


def test_the_first_records_may_lack_keys_and_be_broken(tmp_path, read_text):
    rows = read_text(
        tmp_path, "a.jsonl", '{"instruction": \n{"instruction": "가"}\n{"instruction": "나", "output": "다"}\n'
    )
    assert [get_field_error(rows[0]["output"]), *texts(rows)[1:]] == [
        "row-unreadable",
        ("가", "", None),
        ("나", "", "다"),
    ]


def test_a_folder_without_files_gives_no_rows_and_is_no_error(tmp_path, source):
    (tmp_path / "inbox").mkdir()
    assert read(tmp_path, source("inbox")) == []


@pytest.mark.parametrize(("path", "message"), [("no.json", "no.json does not exist"), ("no/*.json", "matches no file")])
def test_the_message_about_a_path_without_a_file_gives_the_fix(tmp_path, path, message, source):
    with pytest.raises(SourceError, match=message):
        read(tmp_path, source(path))


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["instruction", "output", "seodang_fault"]), inner),
)
CONTENT = st.one_of(
    st.binary(),
    st.text(alphabet='[]{}":,\t\n\r가a\ufeff\\u0"; ').map(lambda text: text.encode()),
    JSON_LIKE.map(lambda value: json.dumps(value).encode()),
    st.text(alphabet='"\t,\n\r가a').map(lambda text: f"instruction,output\tdocument\tlabel\n{text}".encode()),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENT, name=st.sampled_from(["a.json", "a.jsonl", "a.csv", "a.tsv", "a.txt"]), table=st.booleans())
def test_any_bytes_end_in_rows_or_in_a_source_error(tmp_path, content, name, table, source):
    (tmp_path / name).write_bytes(content)
    one = source(name, **({"format": "table", "table": SENTIMENT_TABLE} if table else {}))
    with suppress(SourceError):
        rows = read(tmp_path, one, max_field_characters=20)
        assert rows
        assert all(tuple(row) == FIELDS for row in rows)
        write_rows(tmp_path / "rows.jsonl", rows)
        assert list(read_rows(tmp_path / "rows.jsonl")) == rows


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "table"}, "format 'table' needs table"),
        ({"format": "columns"}, "format 'columns' needs columns"),
        ({"columns": {"instruction": "q"}}, "columns is used by format 'columns' only, but the format is 'auto'"),
        ({"format": "columns", "columns": {"output": "a"}}, "columns must name the key of the instruction"),
        (
            {"format": "columns", "columns": {"instruction": "q", "answer": "a"}},
            "columns has answer, which no record has",
        ),
        (
            {"format": "table", "columns": {"instruction": "q"}, "table": SENTIMENT_TABLE},
            "columns is used by format 'columns' only",
        ),
    ],
)
def test_a_source_says_what_its_format_reads_by_and_nothing_that_is_not_read(changes, message, source):
    with pytest.raises(ValueError, match=message):
        source(**changes)
