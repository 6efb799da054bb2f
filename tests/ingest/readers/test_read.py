"""Each file format gives its objects, and an unreadable file gives a message."""

from __future__ import annotations

import datetime
import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seodang.errors import SourceError
from seodang.ingest.readers import csv, json_scanner
from seodang.ingest.readers import text as opening
from seodang.ingest.readers.csv import unwrap_cell
from seodang.ingest.readers.read import read_objects
from seodang.ingest.rows import (
    ROW_RAGGED,
    get_field_error,
    get_malformed_reason,
    get_malformed_text,
    is_malformed,
    make_malformed_row,
)

TWO = [{"instruction": "요약해", "output": "짧은 글"}, {"instruction": "Say hi", "output": "Hi, you"}]
AS_CSV = 'instruction,output\n요약해,짧은 글\nSay hi,"Hi, you"\n'
AS_TSV = "instruction\toutput\n요약해\t짧은 글\nSay hi\tHi, you\n"


def gzip_bytes(content: bytes) -> bytes:
    """Compress without a timestamp: the ids of parametrized tests must be the same in every test process."""
    return gzip.compress(content, mtime=0)


def as_lines(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def read(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return list(read_objects(path, name))


def reasons(found):
    return [str(get_malformed_reason(each)) if is_malformed(each) else "" for each in found]


SHAPES = {
    "list.json": json.dumps(TWO),
    "pretty.json": json.dumps(TWO, ensure_ascii=False, indent=2),
    "lines.jsonl": as_lines(TWO),
    "lines.ndjson": as_lines(TWO),
    "lines.json": as_lines(TWO),
    "lines.txt": as_lines(TWO),
    "list.jsonl": json.dumps(TWO),
    "wrapped.json": json.dumps({"version": "1.0", "meta": {"a": [1]}, "data": TWO, "count": 2}, indent=1),
    "wrapped_line.json": json.dumps({"train": TWO}),
    "table.csv": AS_CSV,
    "semicolon.csv": 'instruction;output\n요약해;짧은 글\nSay hi;"Hi, you"\n',
    "declared.csv": 'sep=;\ninstruction;output\n요약해;짧은 글\nSay hi;"Hi, you"\n',
    "table.tsv": AS_TSV,
    "quoted.tsv": '"instruction"\t"output"\n"요약해"\t"짧은 글"\n"Say hi"\t"Hi, you"\n',
    "table.txt": AS_TSV,
    "table.data": AS_CSV,
    "json.csv": json.dumps(TWO),
    "NAME.JSON": json.dumps(TWO),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_the_same_objects(tmp_path, name):
    assert read(tmp_path, name, SHAPES[name]) == TWO


@pytest.mark.parametrize("name", SHAPES)
def test_a_packed_file_gives_the_same_objects(tmp_path, name):
    assert read(tmp_path, f"{name}.gz", gzip_bytes(SHAPES[name].encode())) == TWO
    assert read(tmp_path, f"{name}.zst", pa.Codec("zstd").compress(SHAPES[name].encode(), asbytes=True)) == TWO
    assert read(tmp_path, name, gzip_bytes(SHAPES[name].encode())) == TWO  # the name need not say it


@pytest.mark.parametrize("name", ["list.json", "lines.jsonl", "wrapped.json", "table.csv", "table.tsv", "table.txt"])
@pytest.mark.parametrize("end", ["\r\n", "\r", "\n\n", "\n \r\n"])
def test_byte_order_mark_line_ends_and_blank_lines_are_no_part_of_the_objects(tmp_path, name, end):
    assert read(tmp_path, name, "\ufeff" + end + SHAPES[name].replace("\n", end)) == TWO


def test_a_byte_order_mark_in_the_middle_where_two_files_were_joined_is_no_error(tmp_path):
    assert read(tmp_path, "joined.jsonl", "\ufeff" + as_lines(TWO[:1]) + "\ufeff" + as_lines(TWO[1:])) == TWO


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.tsv", "a.txt", "a.json.gz"])
def test_a_file_without_content_has_no_objects(tmp_path, name):
    pack = gzip.compress if name.endswith("gz") else bytes
    assert read(tmp_path, name, pack(b"")) == []
    assert read(tmp_path, name, pack(b"\xef\xbb\xbf \n\r\n")) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", "[]"), ("a.json", '{"data": []}'), ("a.csv", "instruction,output\n"), ("a.tsv", "instruction\toutput")],
)
def test_an_empty_list_and_a_header_alone_have_no_objects(tmp_path, name, text):
    assert read(tmp_path, name, text) == []


def test_a_line_that_cannot_be_read_is_a_broken_row_in_its_place(tmp_path):
    lines = [
        '{"a": 1}',
        '{"a": }',
        '["a"]',
        '"가"',
        '{"a": 2} {"a": 3}',
        '{"a": "나\\u00zz"}',
        '{"a": "\0"}',
        '{"a": 4}',
        '{"a": "cut',
    ]
    found = read(tmp_path, "a.jsonl", "\n".join(lines))
    assert [each for each in found if not is_malformed(each)] == [{"a": 1}, {"a": 4}]
    assert [get_malformed_text(each) for each in found if is_malformed(each)] == [
        line + "\n" * (line != lines[-1]) for line in lines if line not in ('{"a": 1}', '{"a": 4}')
    ]
    assert reasons(found)[1] == 'line 2, column 7: this is not JSON (Expecting value), near "{"a": }"'
    assert reasons(found)[2] == (
        'line 3 is a list (["a"]), expected an object: {"instruction": ..., "output": ...}; or put a line with the names'
        ' of the columns first: ["instruction", "output"]'
    )
    assert reasons(found)[-1].startswith("line 9, column 7: this is not JSON (Unterminated string")


def test_what_python_cannot_hold_breaks_its_own_line_only(tmp_path):
    found = read(
        tmp_path,
        "a.jsonl",
        f'{{"a": {"9" * 5000}}}\n{"[" * 100_000}\n{{"a": NaN, "b": -Infinity}}\n{{"a": "\\ud83d"}}\n',
    )
    assert "more than 4,300 digits" in reasons(found)[0]
    assert "nested too deeply" in reasons(found)[1]
    assert found[2:] == [{"a": None, "b": None}, {"a": "\ud83d"}]


def test_the_text_of_a_broken_row_is_cut_and_says_so():
    assert get_malformed_text(make_malformed_row("가" * 2001, "")) == "가" * 2000 + "… (2,001 characters in all)"
    assert get_malformed_text(make_malformed_row("가" * 2000, "")) == "가" * 2000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", "{}{}\n" * 1100 + '{"a": 1}\n'),
        ("a.jsonl", '{"a": \n' * 3),
        ("a.json", "[1, 2]"),
        ("a.csv", 'a,b\n1,"2\n'),
    ],
)
def test_a_file_without_one_row_that_can_be_read_is_unusable(tmp_path, name, text):
    with pytest.raises(SourceError, match=r"^a\.\w+, (line \d|item 1).*none of its .*rows can be read"):
        read(tmp_path, name, text)


def test_broken_rows_before_the_first_good_one_keep_their_place(tmp_path):
    found = read(tmp_path, "a.jsonl", 'x\ny\n{"a": 1}\nz\n'.replace("x", '{"x'))
    assert [is_malformed(each) for each in found] == [True, True, False, True]


@pytest.mark.parametrize("block", [1, 7, 64])
def test_a_list_is_read_the_same_however_it_is_cut_into_blocks(tmp_path, monkeypatch, block):
    monkeypatch.setattr(json_scanner, "_BLOCK", block)
    records = [{"a": '글\\"\n 😀', "b": [1.5, -3e10, True, None, {"c": []}]}, {"a": 12345}, {}]
    for text in (
        json.dumps(records),
        json.dumps(records, indent=3, ensure_ascii=False),
        json.dumps({"n": 12345, "data": records}),
    ):
        assert read(tmp_path, "a.json", text) == records


def test_an_item_that_is_no_object_is_a_broken_row(tmp_path):
    found = read(tmp_path, "a.json", '[{"a": 1}, 17, "x", null, ["y"]]')
    assert [is_malformed(each) for each in found] == [False, True, True, True, True]
    assert reasons(found)[1].startswith("item 2 is a number (17)")


@pytest.mark.parametrize("block", [5, 2**18])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[\n {"instruction": "가"},\n {"output": "나"',
            r"a\.json, line 3, column 16: this is not JSON .*; readable records before it: 1, .*never used in part; repair",
        ),
        ('[{"instruction": "맛있는" "output"}]', r'a\.json, line 1, column 24: .*near ".*맛있는'),
        (
            '[{"a": 1},\n{"a": 2}\n{"a": 3}]',
            r"a\.json, line 3, column 1: .*Expecting ',' delimiter|a\.json, line 3, column 1: .*Expecting ','",
        ),
        ('[{"a": 1},]', r"a\.json, line 1, column 11: .*Expecting value"),
        ('[{"a": 1}][{"a": 2}]', r"a\.json, line 1, column 11: .*Extra data"),
        ('[{"a": "\n"}]', r"a\.json, line 1, column 9: .*Invalid control character"),
        ('[{"a": 1}, {"a": "cut', r"a\.json, line 1, column 18: .*Unterminated string"),
        ('[{"a": ' + "[" * 100_000, r"a\.json, line 1, column 2: .*nested too deeply"),
        ('[{"a": 1,\n"b": ' + "9" * 5000 + "}]", r"a\.json, line 2, column 6: .*4,300 digits"),
        ('{"data": [{"a": 1}], "data2": [', r"a\.json, line 1, column 32: .*Expecting value"),
        (
            '{"train": [{"a": 1}], "examples": [{"a": 2}]}',
            r"a\.json holds two lists of records, train and examples; write each into its own file",
        ),
        (
            '{"data": [{"a": 1}], "test": [{"a": 2}]}',
            r"a\.json holds two lists of records, data and test; write each into its own file",
        ),
    ],
)
def test_a_truncated_or_malformed_list_is_unusable_and_the_message_gives_the_position(
    tmp_path, monkeypatch, text, message, block
):
    monkeypatch.setattr(json_scanner, "_BLOCK", block)
    with pytest.raises(SourceError, match=message):
        read(tmp_path, "a.json", text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "17", r'a\.json holds no list, it begins with "17"'),
        ("a.json", '"글"', r"a\.json holds no list"),
        (
            "a.txt",
            "그냥 글이다.",
            r'a\.txt is not JSON, JSONL, CSV, TSV, Excel, Parquet or Arrow: it begins with "그냥 글이다\."',
        ),
        ("a.md", "Well, it rains.\nSo, we stay.\n", r"a\.md is not JSON, JSONL"),
        ("a.txt", "one, two\nthree\n", r"a\.txt is not JSON, JSONL"),
        ("a.txt", "one,two\n", r"a\.txt is not JSON, JSONL"),
        ("a.txt", "a\tb\n1\n2\t3\n4\t5\n", r"a\.txt is not JSON, JSONL"),
        ("a.txt", "[공지] 오늘은, 쉽니다\n", r"a\.txt is not JSON, JSONL"),
        ("a.csv", "instruction,output,output\n가,나,다\n", r"a\.csv: two columns have the name output"),
        ("a.csv", 'instruction,"output\n가,나\n', r"a\.csv: the header cannot be read: line 1: .*close its quotes"),
        (
            "a.json",
            "<!DOCTYPE html><html><body>Sign in</body></html>",
            "is a web page .*an error or login page; fetch the file itself",
        ),
        ("a.csv", "\n<html>", "is a web page"),
        ("a.jsonl", '<?xml version="1.0"?><Error/>', "is a web page .HTML or XML."),
        (
            "a.json",
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
            "is a Git LFS pointer, .*git lfs pull",
        ),
        (
            "a.json.dvc",
            "outs:\n- md5: 00\n  size: 3\n  hash: md5\n  path: a.json\n",
            r"is a DVC pointer, .*dvc pull.*\(a\.json\)",
        ),
        (
            "a.json",
            "md5: 00\nfrozen: true\ndeps:\n- path: https://example.org/a.json\nouts:\n- path: a.json\n",
            "is a DVC pointer",
        ),
    ],
)
def test_the_message_about_an_unusable_text_file_gives_the_cause_and_the_fix(tmp_path, name, text, message):
    with pytest.raises(SourceError, match=message):
        read(tmp_path, name, text)


def parquet(records):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(records), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04\x14\0\6\0[Content_Types].xml", "is an Office file .*save it as .xlsx"),
        (b"PK\x03\x04\x14\0\6\0xl/workbook.xml", "is an Excel workbook, and truncated or damaged"),
        (b"PK\x03\x04\x14\0\0\0data.json", "is a zip archive; extract it"),
        (b"%PDF-1.7\n", "is a PDF document; extract its records"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Office file"),
        (b"BZh91AY&SY", "is compressed, and truncated or damaged|cannot be read"),
        (b"\xfd7zXZ\0", "is compressed, and truncated or damaged"),
        (b"x" * 257 + b"ustar", "is a tar archive"),
        (gzip_bytes(gzip_bytes(b"[]")), "is compressed twice"),
        (gzip_bytes(parquet(TWO)), "is a compressed parquet file; decompress it"),
        (
            gzip_bytes(as_lines(TWO).encode())[:-12],
            "is compressed, and truncated or damaged .*fetch or compress it again",
        ),
        (
            gzip_bytes(b"[]")[:-8] + b"\0" * 8,
            r"cannot be read \(CRC check failed.*; check that the file is complete",
        ),
        (b"\x28\xb5\x2f\xfd\0\0\0", "cannot be read|truncated or damaged"),
        (parquet(TWO)[:-9], "this Parquet file is truncated or damaged"),
        (b"PAR1", "this Parquet file is truncated or damaged"),
        (b"ARROW1\0\0\xff\xff", "this Arrow file is truncated or damaged"),
        (
            b"instruction,output\n\xff\xfe\xfa\xfb,\xff\n",
            r"this is neither UTF-8 nor CP949 nor UTF-16; save it as UTF-8",
        ),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.bin"])
def test_the_message_about_a_file_of_another_kind_gives_the_kind_and_the_fix(tmp_path, name, content, message):
    with pytest.raises(SourceError, match=message):
        read(tmp_path, name, content)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.tsv"])
def test_broken_bytes_in_one_row_cost_that_row_only(tmp_path, name):
    records = [{"a": f"좋은 글 {number}", "b": "네"} for number in range(4)]
    separator = "\t" if name.endswith("tsv") else ","
    text = {"a.json": json.dumps(records, ensure_ascii=False), "a.jsonl": as_lines(records)}.get(
        name, "\n".join(separator.join(cells) for cells in [["a", "b"], *(record.values() for record in records)])
    )
    found = read(tmp_path, name, text.encode().replace("글 2".encode(), "글 ".encode("cp949") + b"2"))
    assert [each for each in found if not is_malformed(each)] == [records[0], records[1], records[3]]
    assert is_malformed(found[2])
    assert "not text in the encoding of the file" in reasons(found)[2]
    assert "�" in get_malformed_text(found[2])


def test_a_letter_cut_in_half_at_the_end_of_the_file_breaks_the_last_row(tmp_path):
    found = read(tmp_path, "a.tsv", "a\tb\n하나\t둘\n셋\t넷".encode()[:-1])
    assert [is_malformed(each) for each in found] == [False, True]


def test_values_in_quotes_hold_commas_line_breaks_and_doubled_quotes(tmp_path):
    found = read(tmp_path, "a.csv", 'a,b\r\n"하나,\r\n둘","그가 ""네""라고 했다"\r\n"",x""y\r\n')
    assert found == [{"a": "하나,\r\n둘", "b": '그가 "네"라고 했다'}, {"a": "", "b": 'x""y'}]


def test_a_missing_cell_is_null_and_a_cell_too_many_spoils_its_row(tmp_path):
    found = read(tmp_path, "a.csv", "a,b\n1\n1,2,\n1,2,3\n")
    assert found[:2] == [{"a": "1", "b": None}, {"a": "1", "b": "2"}]
    assert get_field_error(found[2]["a"]) == get_field_error(found[2]["b"]) == ROW_RAGGED


@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        (['1,"2', "3,4", "5,6"], [0]),  # closed nowhere
        (["1,2", '3,"4" x', "5,6"], [1]),  # letters behind the closing quote
        (['1,"2', "3,4", '5,"6', "7,8"], [0, 2]),  # each closes the other, but not before a separator
        (
            ['"1,2', "3,4", '5,6"', "7,8"],
            [0],
        ),  # they close each other, and hold a complete row; the last is a letter in its cell
    ],
)
def test_a_stray_quote_in_a_csv_breaks_its_row_and_swallows_no_other(tmp_path, rows, broken):
    found = read(tmp_path, "a.csv", "\n".join(["a,b", *rows, "9,9", ""]))
    assert [number for number, each in enumerate(found) if is_malformed(each)] == broken
    assert len(found) == len(rows) + 1
    assert all(
        "close its quotes" in reasons(found)[number] and f"line {number + 2}" in reasons(found)[number]
        for number in broken
    )


@pytest.mark.parametrize(("begin", "line"), [("", 3), ("\n \n", 5), ("sep=,\n", 4), ("\n\nsep=,\n", 6)])
def test_the_reason_of_a_malformed_row_gives_its_line_whatever_precedes_the_header(tmp_path, begin, line):
    found = read(tmp_path, "a.csv", begin + 'a,b\n1,2\n3,"4" x\n5,6\n')
    assert [is_malformed(each) for each in found] == [False, True, False]
    assert reasons(found)[1].startswith(f"line {line}: ")


def test_a_quote_that_is_never_closed_does_not_take_the_memory_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(csv, "_CELL_CHARACTERS", 40)
    found = read(tmp_path, "a.csv", 'a,b\n1,"2\n' + "3,4\n" * 1000)
    assert len(found) == 1001
    assert "a quote is not closed within 40 characters" in reasons(found)[0]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv"])
def test_an_overlong_line_is_a_broken_row_and_is_not_kept(tmp_path, monkeypatch, name):
    for module in (opening, csv):
        monkeypatch.setattr(module, "MAX_LINE_CHARACTERS", 50)
    monkeypatch.setattr("seodang.ingest.readers.json_lines.MAX_LINE_CHARACTERS", 50)
    lines = (
        ['{"a": 1}', '{"a": "%s"}' % ("가" * 100_000), '{"a": 2}']
        if name == "a.jsonl"
        else ["a", "1", "가" * 100_000, "2"]
    )
    found = read(tmp_path, name, "\n".join(lines))
    assert [is_malformed(each) for each in found] == [False, True, False]
    assert "more than 50 characters" in reasons(found)[1]
    assert len(get_malformed_text(found[1])) <= 51


def test_stray_quotes_in_a_tsv_are_letters_and_swallow_no_line(tmp_path):
    found = read(tmp_path, "a.tsv", 'id\tdocument\n1\t"최고의 영화\n2\t별로 "라고"\n3\t그냥"\n4\t"좋다"\n')
    assert [each["document"] for each in found] == ['"최고의 영화', '별로 "라고"', '그냥"', '"좋다"']


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('"그가 ""네"" 했다"', '그가 "네" 했다'),
        ('"""네"" 했다"', '"네" 했다'),
        ('"""그가 """"네"""" 했다"""', '그가 "네" 했다'),  # saved twice
        ('"네"', '"네"'),  # the text's own
        ('"네" 하고 "아니" 했다', '"네" 하고 "아니" 했다'),
        ('"네" ""아니"', '"네" ""아니"'),  # one quote within it is not doubled: no spreadsheet wrote it
        ('""', '""'),
        ('"', '"'),
        ('""""', '"'),
    ],
)
def test_a_cell_that_a_spreadsheet_wrapped_is_unwrapped(cell, text):
    assert unwrap_cell(cell) == text


def test_columns_of_every_type_become_what_json_would_hold(tmp_path):
    moment = datetime.datetime(2024, 5, 1, 12, 30, tzinfo=datetime.UTC)
    record = {
        "text": "글",
        "number": 3,
        "share": 0.5,
        "nothing": None,
        "nan": float("nan"),
        "yes": True,
        "bytes": "가".encode(),
        "moment": moment,
        "day": moment.date(),
        "turns": [{"role": "user", "content": "안녕"}],
    }
    expected = {**record, "nan": None, "bytes": "가", "moment": "2024-05-01T12:30:00+00:00", "day": "2024-05-01"}
    assert read(tmp_path, "a.parquet", parquet([record])) == [expected]
    table = pa.Table.from_pylist([record])
    for begin in (pa.ipc.new_file, pa.ipc.new_stream):
        sink = pa.BufferOutputStream()
        with begin(sink, table.schema) as writer:
            writer.write_table(table)
        assert read(tmp_path, "a.arrow", sink.getvalue().to_pybytes()) == [expected]


def test_a_column_text_that_is_not_utf8_breaks_its_own_row_only(tmp_path):
    texts = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xffc")]
    )
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": texts}), sink)
    found = read(tmp_path, "a.parquet", sink.getvalue().to_pybytes())
    assert [is_malformed(each) for each in found] == [False, True, False]
    assert reasons(found)[1] == "row 2 holds bytes that are not UTF-8; write the row again"


def test_a_folder_a_missing_file_and_a_pipe_are_errors(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, message in [
        ("", "cannot be read .Is a directory."),
        ("no.json", "cannot be read .No such file"),
        ("pipe", "is not a regular file"),
    ]:
        with pytest.raises(SourceError, match=message):
            list(read_objects(tmp_path / name, "it"))


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv"])
def test_of_an_overlong_line_only_what_was_read_is_counted(tmp_path, monkeypatch, name):
    for module in ("text", "csv", "json_lines"):
        monkeypatch.setattr(f"seodang.ingest.readers.{module}.MAX_LINE_CHARACTERS", 3000)
    lines = (
        ['{"a": 1}', '{"a": "%s"}' % ("가" * 9000), '{"a": 2}'] if name == "a.jsonl" else ["a", "1", "가" * 9000, "2"]
    )
    text = get_malformed_text(read(tmp_path, name, "\n".join(lines))[1])
    assert text.endswith("가… (more than 3,000 characters)")
    assert len(text) == 2000


@pytest.mark.parametrize(
    "text", ['{"a": 1, "b": 2, "a": 3}', '{"b": [{"a": 1, "a": 1}]}', '{"b": {"c": {"a": 1}, "a": [], "a": {}}}']
)
def test_a_key_that_stands_twice_in_one_object_breaks_its_row_only(tmp_path, text):
    found = read(tmp_path, "a.jsonl", f'{{"a": 1}}\n{text}\n{{"a": [{{"a": {{"a": 4}}}}]}}\n')
    assert [is_malformed(each) for each in found] == [False, True, False]
    assert reasons(found)[1] == 'line 2: an object has the key "a" twice; keep one of its values'
    found = read(tmp_path, "a.json", f'[{{"a": 1}}, {text}, {{"a": 2}}]')
    assert [is_malformed(each) for each in found] == [False, True, False]
    assert (reasons(found)[1], get_malformed_text(found[1])) == (
        'item 2: an object has the key "a" twice; keep one of its values',
        text,
    )
    assert is_malformed(read(tmp_path, "a.json", f'{text}\n{{"a": 1}}\n')[0])


def test_a_syntax_error_takes_precedence_over_a_duplicate_key(tmp_path):
    found = read(tmp_path, "a.jsonl", '{"a": 1}\n{"b": {"a": 1, "a": 2}, "c": }\n')
    assert "this is not JSON (Expecting value)" in reasons(found)[1]


def test_a_column_of_bytes_that_are_no_text_breaks_its_own_row_only(tmp_path):
    found = read(
        tmp_path,
        "a.parquet",
        parquet(
            [{"a": "글", "b": {"bytes": "가".encode()}}, {"a": "글", "b": {"bytes": b"\xff\0"}}, {"a": "글", "b": None}]
        ),
    )
    assert found[0] == {"a": "글", "b": {"bytes": "가"}}
    assert (
        reasons(found)[1] == "row 2, column b holds bytes that are not UTF-8; write them as text, or remove the column"
    )
    assert found[2] == {"a": "글", "b": None}


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("a,,,b,", ["a", "column 2", "column 3", "b", "column 5"]),
        (",a,", ["column 1", "a", "column 3"]),
        ("column 3,,", ["column 3", "column 2", "column 3'"]),
        (",a", ["", "a"]),
    ],
)
def test_columns_without_a_name_keep_all_their_cells(tmp_path, header, names):
    (found,) = read(tmp_path, "a.csv", header + "\n" + ",".join(map(str, range(len(names)))) + "\n")
    assert found == dict(zip(names, map(str, range(len(names))), strict=True))


@pytest.mark.parametrize("order", [("train", "test"), ("test", "train")])
@pytest.mark.parametrize("wrap", [lambda splits: splits, lambda splits: {"version": 1, "data": splits}])
def test_splits_of_one_object_are_all_read_and_the_held_out_records_name_theirs(tmp_path, order, wrap):
    lists = {"train": [{"a": 1}, {"a": 2}], "test": [{"a": 3}]}
    text = json.dumps(wrap({name: lists[name] for name in order}))
    records = read(tmp_path, "a.json", text)
    assert sorted(records, key=lambda record: record["a"]) == [{"a": 1}, {"a": 2}, {"a": 3, "dataset_split": "test"}]


def test_a_test_list_without_a_training_list_is_all_data_of_its_file(tmp_path):
    assert read(tmp_path, "a.json", json.dumps({"version": 1, "test": [{"a": 3}]})) == [{"a": 3}]


@pytest.mark.parametrize(
    "splits",
    [
        {"train": {"q": ["가", "나"], "a": ["다", "라"]}, "test": {"q": ["마"], "a": ["바"]}},
        {"train": {"1": {"question": "가"}, "2": {"question": "나"}}, "test": {"3": {"question": "다"}}},
    ],
)
def test_a_split_that_is_no_list_is_never_left_out_silently(tmp_path, splits):
    with pytest.raises(SourceError, match="holds two lists of records, train and test"):
        read(tmp_path, "a.json", json.dumps(splits))
