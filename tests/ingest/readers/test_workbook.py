"""Excel workbooks: titles, several sheets, merged cells, numbers and dates; damaged and oversized ones are refused."""

from __future__ import annotations

import datetime
import zipfile

import openpyxl
import pytest

from seodang.errors import SourceError
from seodang.ingest.readers.file_details import FileDetails
from seodang.ingest.readers.read import read_objects


@pytest.fixture
def make_workbook(tmp_path):
    """Returns a function that writes a workbook of sheets, each a list of rows, and returns its path."""

    def make(sheets, merged=(), name="faq.xlsx", formats=None):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
            for cells in merged:
                sheet.merge_cells(cells)
            for cell, number_format in (formats or {}).items():
                sheet[cell].number_format = number_format
        book.save(tmp_path / name)
        return tmp_path / name

    return make


def read(path):
    details = FileDetails()
    return list(read_objects(path, path.name, details)), details


def test_blank_rows_and_a_title_above_the_header_are_skipped(make_workbook):
    path = make_workbook(
        {"FAQ": [[], ["고객 문의 모음"], [], ["질문", "답변"], ["언제?", "내일"], [], ["어디?", "서울"]]}
    )
    assert read(path)[0] == [{"질문": "언제?", "답변": "내일"}, {"질문": "어디?", "답변": "서울"}]


def test_cells_are_the_texts_that_a_csv_file_would_hold(make_workbook):
    cells = [
        "0212345678",
        12,
        4.5,
        datetime.date(2024, 3, 1),
        datetime.datetime(2024, 3, 1, 9, 5),
        True,
        "#N/A",
        None,
        7,
    ]
    names = [f"c{number}" for number in range(len(cells))]
    (row,), _details = read(make_workbook({"a": [names, cells]}, formats={"I2": "000"}))
    assert list(row.values()) == [
        "0212345678", "12", "4.5", "2024-03-01", "2024-03-01 09:05:00", "TRUE", "#N/A", None, "007"
    ]  # fmt: skip


def test_a_cell_merged_over_rows_belongs_to_each_of_them(make_workbook):
    rows = [["분류", "질문"], ["배송", "언제?"], [None, "어디로?"], ["환불", "되나요?"]]
    found, _details = read(make_workbook({"a": rows}, merged=["A2:A3"]))
    assert [row["분류"] for row in found] == ["배송", "배송", "환불"]


def test_sheets_with_the_same_columns_are_read_and_the_others_are_named(make_workbook):
    table = [["질문", "답변"], ["언제?", "내일"]]
    notes = [["작성자", "홍길동"], ["날짜", "2024-01-01"]]
    rows, details = read(make_workbook({"안내": notes, "1월": table, "2월": table, "빈 시트": []}))
    assert len(rows) == 2
    assert (details.sheets, details.skipped_sheets) == (["1월", "2월"], ["안내", "빈 시트"])
    assert "안내" in details.describe()


def test_a_workbook_under_another_name_is_read(make_workbook):
    assert read(make_workbook({"a": [["질문", "답변"], ["언제?", "내일"]]}, name="faq.csv"))[0] == [
        {"질문": "언제?", "답변": "내일"}
    ]


def test_a_row_with_more_cells_than_the_header_is_ragged(make_workbook):
    from seodang.ingest.rows import ROW_RAGGED, get_field_error

    rows, _details = read(make_workbook({"a": [["질문", "답변"], ["언제?", "내일", "더"], ["어디?", "서울"]]}))
    assert get_field_error(rows[0]["질문"]) == ROW_RAGGED


def test_a_workbook_without_a_table_is_refused(make_workbook):
    with pytest.raises(SourceError, match=r"faq.xlsx has no sheet with a table"):
        read(make_workbook({"a": [["메모"], ["한 줄"]]}))


def test_a_truncated_workbook_is_refused_in_one_line(make_workbook, tmp_path):
    content = make_workbook({"a": [["질문", "답변"], ["언제?", "내일"]]}).read_bytes()
    (tmp_path / "cut.xlsx").write_bytes(content[:3000])
    with pytest.raises(SourceError, match=r"cut.xlsx is an Excel workbook, and truncated or damaged") as caught:
        read(tmp_path / "cut.xlsx")
    assert "\n" not in str(caught.value)


def test_a_workbook_that_expands_to_far_more_than_a_table_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/sharedStrings.xml", "w") as member:
            for _ in range(300):
                member.write(bytes(2**20))
    with pytest.raises(SourceError, match="looks like a decompression bomb"):
        read(tmp_path / "bomb.xlsx")
