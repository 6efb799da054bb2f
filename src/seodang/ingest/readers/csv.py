"""Read CSV and TSV files. An unreadable row becomes a malformed row, and reading resumes at the next line.

CSV follows RFC 4180: quoted cells may hold separators and line breaks. An unclosed quote makes only its own row
malformed. TSV is read without quoting, as NSMC and KoBEST are written: a single quote is part of the text. A cell that
a spreadsheet quoted, with each inner quote doubled, is unquoted. A TSV file whose quotes enclose line breaks, as Excel
writes Unicode text, is read like CSV.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from seodang.errors import SourceError
from seodang.i18n import Message, _
from seodang.ingest.readers.json_lines import format_encoding_error
from seodang.ingest.readers.text import MAX_LINE_CHARACTERS, TextFile, is_utf8, iter_lines, repair_text, truncate_line
from seodang.ingest.rows import ROW_RAGGED, make_field_error, make_malformed_row, shorten

_ANY_SIZE: Final = 2**31 - 1  # the csv module's default, 128 KiB per field, would stop the run at one long text
_HEADER_CHARACTERS: Final = 2**20
_CELL_CHARACTERS: Final = 2**20  # limit of a quoted cell after its first line; a longer cell has an unclosed quote
_SEPARATOR_LINE: Final = re.compile(r"sep=([,;|\t])\s*")  # Excel's declaration of the separator


class _OverlongError(csv.Error):
    """A line is too long to be a row; its quotes are not the cause."""


@dataclass(slots=True)
class _Row:
    """One row of a table, before its cells are mapped to columns."""

    number: int  # first line of the row, from 1
    text: str
    cells: list[str]
    error: Message | None = None  # cause if the row cannot be read


def read_table(source: TextFile, location: str, separator: str, *, is_quoted: bool) -> Iterator[dict[str, Any]]:
    """Yield the cells of each row by column name, or a malformed row; a missing cell is null.

    Args:
        source: The file.
        location: Name of the file in messages.
        separator: Between two cells.
        is_quoted: Whether a quote in a TSV file may enclose tabs and line breaks, as in a CSV file.

    Raises:
        SourceError: If the header cannot be used.

    """
    csv.field_size_limit(_ANY_SIZE)
    with source.open(newline="") as file:
        lines = _Lines(iter_lines(file))
        first = lines.peek_first()
        if match := _SEPARATOR_LINE.fullmatch(first):
            separator, first = match[1], ""
            next(lines)
        is_unquoted = separator == "\t" and not is_quoted
        rows = _iter_unquoted_rows(lines) if is_unquoted else _iter_quoted_rows(lines, separator)
        header: list[str] = []
        for row in rows:
            if header and row.error:
                yield make_malformed_row(repair_text(row.text.rstrip("\r\n")), row.error)
            elif header and (len(row.cells) > 1 or row.text.strip()):  # skips blank lines
                yield map_cells(header, row.cells)
            elif not header and (row.error or any(row.cells)):
                header = _parse_header_row(row, location)


def unwrap_cell(cell: str) -> str:
    """Return the text of a cell that a spreadsheet quoted, once or more often; any other cell as it is.

    A quoted cell begins and ends with a quote and holds only doubled quotes in between, at least one pair:
    "그가 ""네"" 했다". Without a pair, the quotes may belong to the text.
    """
    while len(cell) > 3 and cell[0] == cell[-1] == '"':
        inner = cell[1:-1]
        if '""' not in inner or '"' in inner.replace('""', ""):
            break
        cell = inner.replace('""', '"')
    return cell


class _Lines(Iterator[str]):
    """Iterate over the lines of a table; the lines of the current row can be pushed back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.row_lines: list[str] = []  # lines consumed by the current row
        self.start_line = 1  # first line of the current row
        self._lines, self._pushback = lines, deque[str]()
        self._extra_characters = 0  # characters of the consumed lines except the first

    def __next__(self) -> str:
        line = self._pushback.popleft() if self._pushback else next(self._lines)
        self.row_lines.append(line)
        self._extra_characters += len(line) if len(self.row_lines) > 1 else 0
        if len(line) > MAX_LINE_CHARACTERS:
            raise _OverlongError(Message("more than {limit:,} characters", {"limit": MAX_LINE_CHARACTERS}))
        if self._extra_characters > _CELL_CHARACTERS:
            raise csv.Error(Message("a quote is not closed within {limit:,} characters", {"limit": _CELL_CHARACTERS}))
        return line

    def begin_row(self) -> None:
        """Start the next row: the lines consumed so far cannot be pushed back any more."""
        self.start_line += len(self.row_lines)
        self.row_lines.clear()
        self._extra_characters = 0

    def push_back(self) -> None:
        """Push back all lines of the current row except the first."""
        self._pushback.extendleft(reversed(self.row_lines[1:]))
        del self.row_lines[1:]

    def peek_first(self) -> str:
        """Return the first non-blank line without consuming it; "" if there is none."""
        for line in self._lines:
            if line.strip():
                self._pushback.append(line)
                return line
            self.start_line += 1
        return ""


def _iter_unquoted_rows(lines: _Lines) -> Iterator[_Row]:
    """Yield the rows of a TSV file: one per line, without quoting."""
    while True:
        lines.begin_row()
        try:
            line = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            yield _make_unreadable_row(lines, error.args[0])
            continue
        if not is_utf8(line):
            yield _Row(lines.start_line, line, [], format_encoding_error(line, lines.start_line))
        elif text := line.rstrip("\r\n"):
            cells = text.split("\t")
            yield _Row(lines.start_line, line, [unwrap_cell(cell) for cell in cells] if '"' in text else cells)


def _iter_quoted_rows(lines: _Lines, separator: str) -> Iterator[_Row]:
    """Yield the rows of a CSV file; a row with wrong quotes is unreadable, and the next row starts at the next line."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    width = 0
    while True:
        lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = error.args[0] if isinstance(error, _OverlongError) else _add_quote_fix(error.args[0])
            yield _make_unreadable_row(lines, reason)
            reader = csv.reader(lines, delimiter=separator, strict=True)
            continue
        text = "".join(lines.row_lines)
        if not is_utf8(text):
            yield _Row(lines.start_line, text, [], format_encoding_error(text, lines.start_line))
        elif width and len(cells) != width and _contains_rows(lines.row_lines[1:], separator, width):
            yield _make_unreadable_row(lines, _add_quote_fix(Message("its quotes enclose complete rows")))
        elif cells:
            width = width or (len(cells) if any(cells) else 0)
            yield _Row(lines.start_line, text, cells)


def _contains_rows(following: list[str], separator: str, width: int) -> bool:
    """Return whether later lines of a row with a wrong width are rows: then its first line has an unclosed quote."""
    return any(len(cells) == width for cells in csv.reader(following, delimiter=separator, quoting=csv.QUOTE_NONE))


def _add_quote_fix(problem: Message | str) -> Message:
    return Message('{problem}; close its quotes, and double each quote inside them: ""', {"problem": problem})


def _make_unreadable_row(lines: _Lines, reason: Message | str) -> _Row:
    """Return the first line of the current row as an unreadable row, and push back the other lines."""
    lines.push_back()
    text = lines.row_lines[0] if len(lines.row_lines[0]) <= MAX_LINE_CHARACTERS else truncate_line(lines.row_lines[0])
    error = Message("line {line}: this row cannot be read ({reason})", {"line": lines.start_line, "reason": reason})
    return _Row(lines.start_line, text, [], error)


def _parse_header_row(row: _Row, location: str) -> list[str]:
    if row.error:
        raise SourceError(_("{path}: the header cannot be read: {reason}", path=location, reason=row.error))
    if len(row.text) > _HEADER_CHARACTERS:
        raise SourceError(
            _(
                "{path}: the header has more than {limit:,} characters, so this is not a table; name a file with records",
                path=location,
                limit=_HEADER_CHARACTERS,
            )
        )
    return parse_header(row.cells, location)


def parse_header(cells: list[str], location: str) -> list[str]:
    """Return the names of the columns.

    Raises:
        SourceError: If two columns have the same name.

    """
    names = [cell.strip() for cell in cells]
    if duplicates := sorted({name for name in names if name and names.count(name) > 1}):
        raise SourceError(
            _(
                "{path}: two columns have the name {names}; rename one",
                path=location,
                names=shorten(", ".join(duplicates)),
            )
        )
    return name_all_columns(names)


def name_all_columns(names: list[str]) -> list[str]:
    """Return the column names; several unnamed columns become "column 3" and so on, as names must be unique."""
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


def map_cells(header: list[str], cells: Sequence[str | None]) -> dict[str, Any]:
    """Return the row's cells by column; a missing cell is null, and an extra cell gives a field error."""
    if any(islice(cells, len(header), None)):
        return dict.fromkeys(header, make_field_error(ROW_RAGGED, [*cells]))
    padded = [*cells, *[None] * (len(header) - len(cells))]
    return dict(zip(header, padded, strict=False))
