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
from seodang.ingest.readers.json_lines import not_utf8
from seodang.ingest.readers.text import LINE_CHARACTERS, beginning, is_utf8, lines_of, mended, open_text
from seodang.ingest.rows import ROW_RAGGED, broken_row, fault, shown

_ANY_SIZE: Final = 2**31 - 1  # csv's own limit, 128 KiB a field, would end the run over one long text
_HEADER_CHARACTERS: Final = 2**20
_CELL_CHARACTERS: Final = (
    2**20
)  # that a quoted cell may have behind its first line; more, and its quote was never closed
_MEND: Final = 'close its quotes, and double each quote within them: ""'
_SEPARATOR_LINE: Final = re.compile(r"sep=([,;|\t])\s*")  # with which Excel is told the separator


class _OverlongError(csv.Error):
    """A line is too long to be a row; its quotes are not to blame."""


@dataclass(slots=True)
class _Row:
    """One row of a table, before its cells have names."""

    number: int  # line where it begins, from 1
    text: str
    cells: list[str]
    fault: str = ""  # why it cannot be read


def read_table(path: Path, place: str, separator: str) -> Iterator[dict[str, Any]]:
    """Yield each row's cells by the name of their column, or its broken_row(); a missing cell is null.

    Raises:
        SourceError: If the header cannot be used.

    """
    csv.field_size_limit(_ANY_SIZE)
    with open_text(path, newline="") as file:
        lines = _Lines(lines_of(file))
        first = lines.first()
        if told := _SEPARATOR_LINE.fullmatch(first):
            separator, first = told[1], ""
            next(lines)
        plain = separator == "\t" and not _all_quoted(first)
        rows = _plain_rows(lines) if plain else _quoted_rows(lines, separator)
        header: list[str] = []
        for row in rows:
            if header and row.fault:
                yield broken_row(mended(row.text.rstrip("\r\n")), row.fault)
            elif header and (len(row.cells) > 1 or row.text.strip()):  # else a blank line
                yield _named_cells(header, row.cells)
            elif not header and (row.fault or any(row.cells)):
                header = _header(row, place)


def unwrapped(cell: str) -> str:
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
        self.taken: list[str] = []  # by the row that is being read
        self.begun = 1  # line where it begins
        self._lines, self._returned = lines, deque[str]()
        self._following = 0  # characters of the taken lines but the first

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append(line)
        self._following += len(line) if len(self.taken) > 1 else 0
        if len(line) > LINE_CHARACTERS:
            raise _OverlongError(f"more than {LINE_CHARACTERS:,} characters")
        if self._following > _CELL_CHARACTERS:
            raise csv.Error(f"a quote is not closed within {_CELL_CHARACTERS:,} characters")
        return line

    def begin(self) -> None:
        """Begin a row: what was taken so far is used."""
        self.begun += len(self.taken)
        self.taken.clear()
        self._following = 0

    def give_back(self) -> None:
        """Take the row's first line only."""
        self._returned.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def first(self) -> str:
        """Return the first line that is not blank, "" if there is none; the line itself is still to come."""
        for line in self._lines:
            if line.strip():
                self._returned.append(line)
                return line
            self.begun += 1
        return ""


def _plain_rows(lines: _Lines) -> Iterator[_Row]:
    """Yield the rows of a TSV: one a line, quotes are letters."""
    while True:
        lines.begin()
        try:
            line = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            yield _broken(lines, str(error))
            continue
        if not is_utf8(line):
            yield _Row(lines.begun, line, [], not_utf8(line, lines.begun))
        elif text := line.rstrip("\r\n"):
            cells = text.split("\t")
            yield _Row(lines.begun, line, [unwrapped(cell) for cell in cells] if '"' in text else cells)


def _quoted_rows(lines: _Lines, separator: str) -> Iterator[_Row]:
    """Yield the rows of a CSV; one whose quotes are wrong is broken, and the next begins in the next line."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    width = 0
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _broken(lines, str(error) if isinstance(error, _OverlongError) else f"{error}; {_MEND}")
            reader = csv.reader(lines, delimiter=separator, strict=True)
            continue
        text = "".join(lines.taken)
        if not is_utf8(text):
            yield _Row(lines.begun, text, [], not_utf8(text, lines.begun))
        elif width and len(cells) != width and _swallowed(lines.taken[1:], separator, width):
            yield _broken(lines, f"its quotes hold whole rows; {_MEND}")
        elif cells:
            width = width or (len(cells) if any(cells) else 0)
            yield _Row(lines.begun, text, cells)


def _swallowed(following: list[str], separator: str, width: int) -> bool:
    """Tell whether a row of the wrong width holds lines that are rows: then its first line has a stray quote."""
    return any(len(cells) == width for cells in csv.reader(following, delimiter=separator, quoting=csv.QUOTE_NONE))


def _broken(lines: _Lines, why: str) -> _Row:
    """Return the first line of the row that is being read as a broken one, and give the others back."""
    lines.give_back()
    text = lines.taken[0] if len(lines.taken[0]) <= LINE_CHARACTERS else beginning(lines.taken[0])
    return _Row(lines.begun, text, [], f"line {lines.begun}: this row cannot be read ({why})")


def _all_quoted(header: str) -> bool:
    """Tell whether a TSV is written with quotes around each cell: then it is read as a CSV."""
    return all(len(cell) > 2 and cell[0] == cell[-1] == '"' for cell in header.strip().split("\t"))


def _header(row: _Row, place: str) -> list[str]:
    if row.fault:
        raise SourceError(f"{place}: the header cannot be read: {row.fault}")
    if len(row.text) > _HEADER_CHARACTERS:
        raise SourceError(
            f"{place}: the header has more than {_HEADER_CHARACTERS:,} characters, so this is no table; name a file with records"
        )
    names = [cell.strip() for cell in row.cells]
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise SourceError(f"{place}: two columns have the name {shown(', '.join(twice))}; rename one")
    return _all_named(names)


def _all_named(names: list[str]) -> list[str]:
    """Return the names of the columns; where several have none, they are "column 3" and so on, for one name could keep one cell only."""
    if names.count("") < 2:
        return names
    named, taken = [], {*names}
    for number, name in enumerate(names, start=1):
        new = name or f"column {number}"
        while not name and new in taken:
            new += "'"
        taken.add(new)
        named.append(new)
    return named


def _named_cells(header: list[str], cells: list[str]) -> dict[str, Any]:
    """Return the row's cells by column; a missing cell is null, and a cell too many spoils the row."""
    if any(islice(cells, len(header), None)):
        return dict.fromkeys(header, fault(ROW_RAGGED, cells))
    padded = [*cells, *[None] * (len(header) - len(cells))]
    return dict(zip(header, padded, strict=False))
