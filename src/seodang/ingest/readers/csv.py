"""CSV and TSV. A row that cannot be read is a broken row, and reading goes on with the next line.

CSV is read as RFC 4180 has it: quotes may hold separators and line breaks. A quote that
is opened and not closed costs its own row only. TSV is read without quoting, as NSMC and
KoBEST write it: a stray quote is a letter of the text there. But a cell that a
spreadsheet wrapped is unwrapped: each quote within it is doubled.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from seodang.errors import SourceError
from seodang.ingest.readers.json_lines import format_utf8_error
from seodang.ingest.readers.text import MAX_LINE_CHARACTERS, is_utf8, iter_lines, open_text, repair_text, truncate_line
from seodang.ingest.rows import ROW_RAGGED, make_field_error, make_malformed_row, shorten

_ANY_SIZE: Final = 2**31 - 1  # csv's own limit, 128 KiB a field, would end the run over one long text
_HEADER_CHARACTERS: Final = 2**20
_CELL_CHARACTERS: Final = (
    2**20
)  # that a quoted cell may have behind its first line; more, and its quote was never closed
_QUOTE_FIX: Final = 'close its quotes, and double each quote within them: ""'
_SEPARATOR_LINE: Final = re.compile(r"sep=([,;|\t])\s*")  # with which Excel is told the separator


class _OverlongError(csv.Error):
    """A line is too long to be a row; its quotes are not to blame."""


@dataclass(slots=True)
class _Row:
    """One row of a table, before its cells have names."""

    number: int  # line where it begins, from 1
    text: str
    cells: list[str]
    error: str = ""  # why it cannot be read


def read_table(path: Path, location: str, separator: str) -> Iterator[dict[str, Any]]:
    """Yield each row's cells by the name of their column, or its broken_row(); a missing cell is null.

    Raises:
        SourceError: If the header cannot be used.

    """
    csv.field_size_limit(_ANY_SIZE)
    with open_text(path, newline="") as file:
        lines = _Lines(iter_lines(file))
        first = lines.peek_first()
        if match := _SEPARATOR_LINE.fullmatch(first):
            separator, first = match[1], ""
            next(lines)
        is_unquoted = separator == "\t" and not _is_fully_quoted(first)
        rows = _iter_unquoted_rows(lines) if is_unquoted else _iter_quoted_rows(lines, separator)
        header: list[str] = []
        for row in rows:
            if header and row.error:
                yield make_malformed_row(repair_text(row.text.rstrip("\r\n")), row.error)
            elif header and (len(row.cells) > 1 or row.text.strip()):  # else a blank line
                yield _map_cells(header, row.cells)
            elif not header and (row.error or any(row.cells)):
                header = _parse_header(row, location)


def unwrap_cell(cell: str) -> str:
    """Return the text of a cell that a spreadsheet wrapped in quotes, once or more often; any other cell as it is.

    Wrapped is what begins and ends with a quote and has, between them, doubled quotes
    only, one pair at least: "그가 ""네"" 했다". Without a pair the quotes may be the text's own.
    """
    while len(cell) > 3 and cell[0] == cell[-1] == '"':
        inner = cell[1:-1]
        if '""' not in inner or '"' in inner.replace('""', ""):
            break
        cell = inner.replace('""', '"')
    return cell


class _Lines(Iterator[str]):
    """The lines of a table; those of the row that is being read can be given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.row_lines: list[str] = []  # by the row that is being read
        self.start_line = 1  # line where it begins
        self._lines, self._pushback = lines, deque[str]()
        self._extra_characters = 0  # characters of the taken lines but the first

    def __next__(self) -> str:
        line = self._pushback.popleft() if self._pushback else next(self._lines)
        self.row_lines.append(line)
        self._extra_characters += len(line) if len(self.row_lines) > 1 else 0
        if len(line) > MAX_LINE_CHARACTERS:
            raise _OverlongError(f"more than {MAX_LINE_CHARACTERS:,} characters")
        if self._extra_characters > _CELL_CHARACTERS:
            raise csv.Error(f"a quote is not closed within {_CELL_CHARACTERS:,} characters")
        return line

    def begin_row(self) -> None:
        """Begin a row: what was taken so far is used."""
        self.start_line += len(self.row_lines)
        self.row_lines.clear()
        self._extra_characters = 0

    def push_back(self) -> None:
        """Take the row's first line only."""
        self._pushback.extendleft(reversed(self.row_lines[1:]))
        del self.row_lines[1:]

    def peek_first(self) -> str:
        """Return the first line that is not blank, "" if there is none; the line itself is still to come."""
        for line in self._lines:
            if line.strip():
                self._pushback.append(line)
                return line
            self.start_line += 1
        return ""


def _iter_unquoted_rows(lines: _Lines) -> Iterator[_Row]:
    """Yield the rows of a TSV: one a line, quotes are letters."""
    while True:
        lines.begin_row()
        try:
            line = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            yield _make_unreadable_row(lines, str(error))
            continue
        if not is_utf8(line):
            yield _Row(lines.start_line, line, [], format_utf8_error(line, lines.start_line))
        elif text := line.rstrip("\r\n"):
            cells = text.split("\t")
            yield _Row(lines.start_line, line, [unwrap_cell(cell) for cell in cells] if '"' in text else cells)


def _iter_quoted_rows(lines: _Lines, separator: str) -> Iterator[_Row]:
    """Yield the rows of a CSV; one whose quotes are wrong is broken, and the next begins in the next line."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    width = 0
    while True:
        lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _make_unreadable_row(
                lines, str(error) if isinstance(error, _OverlongError) else f"{error}; {_QUOTE_FIX}"
            )
            reader = csv.reader(lines, delimiter=separator, strict=True)
            continue
        text = "".join(lines.row_lines)
        if not is_utf8(text):
            yield _Row(lines.start_line, text, [], format_utf8_error(text, lines.start_line))
        elif width and len(cells) != width and _contains_rows(lines.row_lines[1:], separator, width):
            yield _make_unreadable_row(lines, f"its quotes hold whole rows; {_QUOTE_FIX}")
        elif cells:
            width = width or (len(cells) if any(cells) else 0)
            yield _Row(lines.start_line, text, cells)


def _contains_rows(following: list[str], separator: str, width: int) -> bool:
    """Tell whether a row of the wrong width holds lines that are rows: then its first line has a stray quote."""
    return any(len(cells) == width for cells in csv.reader(following, delimiter=separator, quoting=csv.QUOTE_NONE))


def _make_unreadable_row(lines: _Lines, reason: str) -> _Row:
    """Return the first line of the row that is being read as a broken one, and give the others back."""
    lines.push_back()
    text = lines.row_lines[0] if len(lines.row_lines[0]) <= MAX_LINE_CHARACTERS else truncate_line(lines.row_lines[0])
    return _Row(lines.start_line, text, [], f"line {lines.start_line}: this row cannot be read ({reason})")


def _is_fully_quoted(header: str) -> bool:
    """Tell whether a TSV is written with quotes around each cell: then it is read as a CSV."""
    return all(len(cell) > 2 and cell[0] == cell[-1] == '"' for cell in header.strip().split("\t"))


def _parse_header(row: _Row, location: str) -> list[str]:
    if row.error:
        raise SourceError(f"{location}: the header cannot be read: {row.error}")
    if len(row.text) > _HEADER_CHARACTERS:
        raise SourceError(
            f"{location}: the header has more than {_HEADER_CHARACTERS:,} characters, so this is no table; name a file with records"
        )
    names = [cell.strip() for cell in row.cells]
    if duplicates := sorted({name for name in names if name and names.count(name) > 1}):
        raise SourceError(f"{location}: two columns have the name {shorten(', '.join(duplicates))}; rename one")
    return _name_all_columns(names)


def _name_all_columns(names: list[str]) -> list[str]:
    """Return the names of the columns; where several have none, they are "column 3" and so on, for one name could keep one cell only."""
    if names.count("") < 2:
        return names
    unique_names, used_names = [], {*names}
    for number, name in enumerate(names, start=1):
        new = name or f"column {number}"
        while not name and new in used_names:
            new += "'"
        used_names.add(new)
        unique_names.append(new)
    return unique_names


def _map_cells(header: list[str], cells: list[str]) -> dict[str, Any]:
    """Return the row's cells by column; a missing cell is null, and a cell too many spoils the row."""
    if any(islice(cells, len(header), None)):
        return dict.fromkeys(header, make_field_error(ROW_RAGGED, cells))
    padded = [*cells, *[None] * (len(header) - len(cells))]
    return dict(zip(header, padded, strict=False))
