"""Files as Excel saves them in Korea: CP949 and UTF-16, with quotes and line breaks in cells."""

from __future__ import annotations

import bz2
import csv
import io
import lzma

import pytest

from seodang.errors import SourceError
from seodang.ingest.readers import text
from seodang.ingest.readers.encoding import detect_encoding
from seodang.ingest.readers.file_details import FileDetails
from seodang.ingest.readers.read import read_objects
from seodang.ingest.rows import get_malformed_reason, is_malformed

FAQ = [
    {"질문": f'"빠른 배송" {number}번은 언제 오나요?\n평일, 주말', "답변": f"{number}일 안에 옵니다.\r\n감사합니다."}
    for number in range(30)
]


def as_table(separator=","):
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, ["질문", "답변"], delimiter=separator, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(FAQ)
    return buffer.getvalue()


def read(folder, name, content):
    (folder / name).write_bytes(content)
    details = FileDetails()
    return list(read_objects(folder / name, name, details)), details


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("ansi.csv", as_table().encode("cp949"), "cp949"),
        ("ansi.txt", as_table("\t").encode("cp949"), "cp949"),
        ("unicode.txt", as_table("\t").encode("utf-16"), "utf-16-le"),
        ("unicode.tsv", b"\xfe\xff" + as_table("\t").encode("utf-16-be"), "utf-16-be"),
        ("without_mark.csv", as_table().encode("utf-16-le"), "utf-16-le"),
        ("utf8.csv", as_table().encode("utf-8-sig"), "utf-8"),
        ("packed.csv.bz2", bz2.compress(as_table().encode("cp949")), "cp949"),
        ("packed.csv.xz", lzma.compress(as_table().encode("utf-16")), "utf-16-le"),
    ],
)
def test_a_table_that_excel_saved_gives_its_cells_and_its_encoding(tmp_path, name, content, encoding):
    rows, details = read(tmp_path, name, content)
    assert rows == FAQ
    assert details.encoding == encoding
    assert ("encoding" in details.describe()) == (encoding != "utf-8")


def test_korean_text_after_a_long_english_beginning_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "_HEAD_BYTES", 1000)
    english = "question,answer\n" + "what is it,a thing\n" * 200
    rows, _details = read(tmp_path, "a.csv", english.encode() + "수도는?,서울입니다\n".encode("cp949"))
    assert rows[-1] == {"question": "수도는?", "answer": "서울입니다"}


@pytest.mark.parametrize(
    ("sentence", "encoding"),
    [
        ("你好吗我是中国人这是一个测试,今天天气很好", "gbk"),
        ("これはテストです、漢字もあります", "shift_jis"),
        ("これはテストです、漢字もあります", "euc_jp"),
        ("Où est l’école à côté? Là-bas, très près: été", "cp1252"),
    ],
)
def test_bytes_of_another_language_are_not_taken_for_korean(sentence, encoding):
    assert detect_encoding(f"{sentence}\n".encode(encoding) * 5) is None


def test_one_damaged_letter_in_a_cp949_file_costs_its_row_only(tmp_path):
    content = as_table().encode("cp949").replace("7번".encode("cp949"), b"7\xb9\x20", 1)
    rows, _details = read(tmp_path, "a.csv", content)
    (malformed,) = [row for row in rows if is_malformed(row)]
    assert "not text in the encoding of the file" in str(get_malformed_reason(malformed))
    assert len(rows) == len(FAQ)


def test_a_file_in_an_unknown_encoding_is_refused_in_one_line(tmp_path):
    with pytest.raises(SourceError, match=r"a.csv, line 2, byte 1: this is neither UTF-8 nor CP949 nor UTF-16"):
        read(tmp_path, "a.csv", b"question,answer\n" + "これはテスト,漢字\n".encode("shift_jis") * 5)
