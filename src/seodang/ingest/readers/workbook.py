"""Read the tables of an Excel workbook (.xlsx), row by row, as the texts that a CSV file of them would hold.

A workbook may hold blank rows and a title above the header, notes on other sheets, and merged cells. The sheets with
the header of the main table are read one after the other; the others are reported. For formulas openpyxl reads the
values that Excel saved, and for errors their texts (#N/A), which the rule on spreadsheet errors finds.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.readers.archive_limits import check_expansion
from seodang.ingest.readers.csv import map_cells, parse_header
from seodang.ingest.readers.file_details import FileDetails
from seodang.ingest.readers.json_layout import RECORD_KEYS
from seodang.ingest.rows import shorten

_PEEK_ROWS: Final = 20  # filled rows among which the header is
_MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)(\d+):[A-Z]+(\d+)"')
# What openpyxl raises for a damaged file; it has no error of its own for it.
_DAMAGE: Final = (
    *(zipfile.BadZipFile, LookupError, ValueError, TypeError, AttributeError, SyntaxError, EOFError, OSError),
)
_BLOCK: Final = 2**20
_ZEROS: Final = re.compile(r"0+")  # number format that shows leading zeros: 007

Cells = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One sheet that holds a table."""

    name: str
    header: list[str]
    header_row: int  # index of the header's row, from 0


def read_workbook(path: Path, location: str, details: FileDetails) -> Iterator[dict[str, Any]]:
    """Yield the cells of each row by column, as texts; an empty cell is null.

    Args:
        path: The file.
        location: Name of the file in messages.
        details: Receives the names of the sheets that are read, and of those that are left out.

    Raises:
        SourceError: If the workbook is damaged, expands to more than the limit, or has no table.

    """
    with _open_workbook(path, location) as book:
        sheets = [sheet for name in book.sheetnames if (sheet := _find_table(book, name, location))]
        if not sheets:
            raise SourceError(
                _(
                    "{path} has no sheet with a table: a row with the names of the columns, and rows below",
                    path=location,
                )
            )
        main = max(sheets, key=lambda sheet: _count_known_names(sheet.header))
        selected = [sheet for sheet in sheets if sheet.header == main.header]
        details.sheets = [sheet.name for sheet in selected]
        details.skipped_sheets = [name for name in book.sheetnames if name not in details.sheets]
        for sheet in selected:
            for cells in islice(_iter_cells(book, sheet.name), sheet.header_row + 1, None):
                if any(cells):
                    yield map_cells(sheet.header, cells)


@contextmanager
def _open_workbook(path: Path, location: str) -> Iterator[Any]:
    """Open a workbook for streaming; raise a SourceError for each error of openpyxl."""
    from openpyxl import load_workbook

    try:
        check_expansion(path, location)
        with path.open("rb") as file:  # opened here: openpyxl rejects other names than .xlsx
            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            yield book
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the file system
            raise
        raise SourceError(
            _(
                "{path} is an Excel workbook, and truncated or damaged ({reason}); save it again in Excel",
                path=location,
                reason=shorten(str(error)),
            )
        ) from error


def _find_table(book: Any, name: str, location: str) -> _Sheet | None:
    """Return the header of a sheet with at least one row below it; None for notes, charts and empty sheets."""
    if not hasattr(book[name], "iter_rows"):  # a chart
        return None
    filled = ((number, cells) for number, cells in enumerate(_iter_cells(book, name)) if any(cells))
    first = list(islice(filled, _PEEK_ROWS))
    width = max((_count_filled(cells) for _number, cells in first), default=0)
    if width < 2:
        return None
    for number, cells in first[:-1]:
        if _count_filled(cells) > width / 2:
            names = [cell or "" for cell in cells]
            while not names[-1].strip():
                names.pop()
            return _Sheet(name, parse_header(names, f"{location} ({name})"), number)
    return None


def _count_filled(cells: Cells) -> int:
    return sum(bool(cell and cell.strip()) for cell in cells)


def _count_known_names(header: Sequence[str]) -> int:
    return sum(name.lower() in RECORD_KEYS for name in header)


def _iter_cells(book: Any, name: str) -> Iterator[Cells]:
    """Yield the texts of all rows of a sheet; a merged cell gives its text to each row that it spans."""
    sheet = book[name]
    sheet.reset_dimensions()  # some programs write wrong ones, and openpyxl would believe them
    spans = _find_row_spans(book, sheet)
    active: dict[int, tuple[int, str | None]] = {}  # column -> last row of its merged cell, and text
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells = [_format_cell(cell) for cell in row]
        active = {column: span for column, span in active.items() if span[0] >= number}
        if active:
            cells += [None] * (max(active) + 1 - len(cells))
        for column, (_last, text) in active.items():
            cells[column] = cells[column] or text
        for column, last in spans.get(number, ()):
            active[column] = (last, cells[column] if column < len(cells) else None)
        yield cells


def _find_row_spans(book: Any, sheet: Any) -> dict[int, list[tuple[int, int]]]:
    """Return the merged cells over several rows by their first row: index of the column, and last row.

    They stand after the rows in the file, so they are read before.
    """
    from openpyxl.utils import column_index_from_string

    spans: dict[int, list[tuple[int, int]]] = {}
    for column, first, last in _iter_merged(book, sheet):
        if last > first:
            spans.setdefault(first, []).append((column_index_from_string(column) - 1, last))
    return spans


def _iter_merged(book: Any, sheet: Any) -> Iterator[tuple[str, int, int]]:
    """Yield the first column, the first row and the last row of each merged cell."""
    rest = b""
    with book._archive.open(sheet._worksheet_path) as file:  # openpyxl reads them only with the entire sheet in memory
        while block := file.read(_BLOCK):
            text = rest + block
            end = 0
            for match in _MERGED.finditer(text):
                end = match.end()
                yield match[1].decode(), int(match[2]), int(match[3])
            rest = text[max(end, len(text) - 200) :]


def _format_cell(cell: Any) -> str | None:
    """Return the text of a cell as a CSV file would hold it; None if it is empty."""
    match cell.value:
        case None | "":
            return None
        case bool(value):
            return str(value).upper()
        case int() | float() as number:
            return _format_number(number, cell.number_format)
        case datetime() as moment if moment.time() == time():
            return moment.date().isoformat()
        case datetime() as moment:
            return moment.isoformat(sep=" ", timespec="seconds")
        case date() | time() as moment:
            return moment.isoformat()
        case timedelta() as duration:
            return str(duration)
        case value:
            return str(value)


def _format_number(number: float, number_format: str) -> str:
    if abs(number) >= 1e15 or number != int(number):
        return repr(number)
    text = str(int(number))
    return text.zfill(len(number_format)) if _ZEROS.fullmatch(number_format or "") else text
