"""JSON whose records are under ids, by column, in lists of cells, or under several wrappers gives the same objects."""

from __future__ import annotations

import json

import pytest

from seodang.errors import SourceError
from seodang.ingest.readers import text as opening
from seodang.ingest.readers.read import read_objects
from seodang.ingest.rows import get_malformed_reason, is_malformed

ROWS = [{"instruction": "요약해", "output": "짧은 글"}, {"instruction": "Say hi", "output": "Hi, you"}]
MESSAGES = [[{"from": "human", "value": row["instruction"]}, {"from": "gpt", "value": row["output"]}] for row in ROWS]
CELLS = [list(row.values()) for row in ROWS]
NAMES = list(ROWS[0])

LAYOUTS = {
    "ids": {"17": ROWS[0], "18": ROWS[1]},
    "names as ids": {"a": ROWS[0], "b": ROWS[1]},
    "ids in a split": {"train": {"17": ROWS[0], "18": ROWS[1]}},
    "pandas index": {"0": ROWS[0], "1": ROWS[1]},
    "pandas split": {"columns": NAMES, "index": [0, 1], "data": CELLS},
    "pandas columns": {name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in NAMES},
    "lists by column": {name: [row[name] for row in ROWS] for name in NAMES},
    "cells after names": [NAMES, *CELLS],
    "hub server": {
        "features": [{"feature_idx": 0, "name": "instruction"}],
        "rows": [{"row_idx": i, "row": row, "truncated_cells": []} for i, row in enumerate(ROWS)],
        "num_rows_total": 2,
    },
    "result": {"status": "ok", "result": ROWS},
    "wrapped twice": {"data": {"rows": ROWS}},
    "wrapped three times": {"result": {"page": 1, "data": {"items": ROWS}}},
    "unknown wrapper": {"version": "1.0", "my_records": ROWS},
}


def read(folder, name, content):
    path = folder / name
    path.write_text(content, "utf-8")
    return list(read_objects(path, name))


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_objects(tmp_path, layout, indent):
    assert read(tmp_path, "a.json", json.dumps(LAYOUTS[layout], indent=indent, ensure_ascii=False)) == ROWS


@pytest.mark.parametrize("layout", ["ids", "pandas split", "pandas columns", "lists by column", "wrapped twice"])
def test_a_layout_on_the_only_line_of_a_jsonl_file_is_found_too(tmp_path, layout):
    assert read(tmp_path, "a.jsonl", json.dumps(LAYOUTS[layout])) == ROWS


@pytest.mark.parametrize(
    "content",
    [
        MESSAGES,
        {"c1": MESSAGES[0], "c2": MESSAGES[1]},
        {"conversations": MESSAGES},
        {"messages": MESSAGES},
        {"data": MESSAGES},
    ],
)
def test_lists_of_messages_are_conversations(tmp_path, content):
    assert read(tmp_path, "a.json", json.dumps(content)) == [{"messages": messages} for messages in MESSAGES]


def test_lines_of_lists_are_conversations_or_cells(tmp_path):
    assert read(tmp_path, "a.jsonl", "\n".join(map(json.dumps, MESSAGES))) == [{"messages": each} for each in MESSAGES]
    assert read(tmp_path, "b.jsonl", "\n".join(map(json.dumps, [NAMES, *CELLS]))) == ROWS


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    "record",
    [
        {"questions": ["가", "나"], "outputs": ["다", "라"]},
        {"messages": {"role": ["user", "assistant"], "content": ["가", "나"]}},
        {"messages": MESSAGES[0]},
        {"instruction": "가", "instances": [{"input": "", "output": "나"}]},
        {"prompt": "가", "meta": {"a": 1}, "extra": {"a": 2}},
        {"conversations": MESSAGES[0], "chosen": MESSAGES[0][1], "rejected": MESSAGES[0][1]},
    ],
)
def test_a_record_with_nested_values_stays_one_record(tmp_path, name, record):
    assert read(tmp_path, name, json.dumps(record, indent=1 if name == "a.json" else None)) == [record]


def test_objects_of_several_lines_are_read_one_after_the_other(tmp_path):
    assert read(tmp_path, "a.jsonl", "\n".join(json.dumps(row, indent=2) for row in ROWS)) == ROWS


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in {"pandas split", "cells after names"}])
def test_the_layout_of_a_file_that_is_larger_than_its_beginning_is_found(tmp_path, monkeypatch, layout):
    monkeypatch.setattr(opening, "_HEAD_BYTES", 150)
    assert read(tmp_path, "a.json", json.dumps(LAYOUTS[layout], ensure_ascii=False)) == ROWS


def test_a_member_that_is_no_record_is_a_malformed_row(tmp_path):
    found = read(tmp_path, "a.json", json.dumps({"1": ROWS[0], "2": None, "3": ROWS[1]}))
    assert [is_malformed(each) for each in found] == [False, True, False]


def test_a_cell_that_the_server_cut_is_a_malformed_row(tmp_path):
    rows = [{"row_idx": i, "row": row, "truncated_cells": ["output"] * i} for i, row in enumerate(ROWS)]
    _first, cut = read(tmp_path, "a.json", json.dumps({"rows": rows}))
    assert "the server cut the cells output" in str(get_malformed_reason(cut))


def test_cells_without_names_ask_for_a_list_of_names(tmp_path):
    with pytest.raises(
        SourceError, match=r'put a list with the names of the columns first: \["instruction", "output"\]'
    ):
        read(tmp_path, "a.json", json.dumps(CELLS))


def test_columns_of_different_lengths_are_refused_with_their_lengths(tmp_path):
    content = {"instruction": {"0": "가", "1": "나"}, "output": {"0": "다"}}
    with pytest.raises(SourceError, match=r"different lengths \(instruction 2, output 1\)"):
        read(tmp_path, "a.json", json.dumps(content, ensure_ascii=False))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "id|instruction|output\n1|요약해|짧은 글\n2|Say hi|Hi, you\n"),
        ("a.txt", "id|instruction|output\n1|요약해|짧은 글\n2|Say hi|Hi, you\n"),
        ("a.csv", "id, old\tinstruction\toutput\n1\t요약해\t짧은 글\n2\tSay hi\tHi, you\n"),
        ("a.csv", "id, old;instruction;output\n1;요약해;짧은 글\n2;Say hi;Hi, you\n"),
        ("a.csv", '"id";"note (a, b)";"instruction";"output"\n"1";"";"요약해";"짧은 글"\n"2";"";"Say hi";"Hi, you"\n'),
        ("a.tsv", 'id,instruction,output\n1,요약해,짧은 글\n2,Say hi,"Hi, you"\n'),
    ],
)
def test_the_separator_of_a_table_is_the_one_that_fits_its_rows(tmp_path, name, text):
    assert [{key: row[key] for key in NAMES} for row in read(tmp_path, name, text)] == ROWS
