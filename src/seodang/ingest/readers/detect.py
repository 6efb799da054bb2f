"""Detect the file format from the beginning of a file. The suffix is only a hint: JSONL in ".json" files is common."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.readers.encoding import decode
from seodang.ingest.readers.json_errors import DuplicateKey, decode_value, parse_json
from seodang.ingest.readers.json_layout import RECORD_KEYS, JsonLayout, find_layout, holds_conversation, parse_beginning
from seodang.ingest.readers.text import Head, repair_text
from seodang.ingest.readers.unsupported import is_workbook, reject_unsupported
from seodang.ingest.rows import shorten

FileFormat = Literal["list", "object", "objects", "lines", "table", "parquet", "arrow", "workbook"]


@dataclass(frozen=True, slots=True)
class DetectedFormat:
    """How a file is to be read."""

    name: FileFormat
    separator: str = ""  # of a table
    is_quoted: bool = False  # whether a quote of a TSV file may enclose tabs and line breaks
    layout: JsonLayout | None = None  # of an object that holds all records


_OPENING: Final = re.compile(r'\[\s*[{\]]|\{\s*["}]')  # start of JSON that may hold records
_LINE_SUFFIXES: Final = {".jsonl", ".ndjson"}
_SEPARATORS: Final = "\t,;|"  # candidates in order
_PEEK_LINES: Final = 20  # lines that must have as many cells as the header if only they can show that a file is a table
_NAME_CHARACTERS: Final = 60
# A cell of running text: it ends like a sentence, or has four words.
_SENTENCE: Final = re.compile(r"[.!?。]\s*$|\S\s+\S+\s+\S+\s+\S")


def detect_binary_format(head: Head, location: str) -> DetectedFormat | None:
    """Return the format of a file that is no text; None for a text file.

    Raises:
        SourceError: If the file is of an unsupported kind.

    """
    if is_workbook(head):
        if head.is_compressed:
            raise SourceError(_("{path} is a compressed Excel workbook; decompress it", path=location))
        return DetectedFormat("workbook")
    if binary := _detect_columnar(head.data):
        if head.is_compressed:
            raise SourceError(
                _(
                    "{path} is a compressed {format} file; decompress it: its columns are already compressed",
                    path=location,
                    format=binary,
                )
            )
        return DetectedFormat(binary)
    reject_unsupported(head, location)
    return None


def detect_text_format(head: Head, location: str) -> DetectedFormat:
    """Return the format of a text file whose encoding is known.

    Raises:
        SourceError: If its format is unknown.

    """
    text = head.text
    if _OPENING.match(text) or (head.suffix == ".json" and text.startswith("{")):
        return _detect_json_format(head)
    if head.suffix == ".json":
        return DetectedFormat("list")
    if head.suffix in _LINE_SUFFIXES:
        return DetectedFormat("lines")
    if head.suffix in {".csv", ".tsv"}:
        return _describe_table(head, _choose_separator(head))
    if separator := _detect_separator(head):
        return _describe_table(head, separator)
    raise SourceError(
        _(
            '{path} is not JSON, JSONL, CSV, TSV, Excel, Parquet or Arrow: it begins with "{start}"; convert it into one of these',
            path=location,
            start=shorten(repair_text(text[:200])),
        )
    )


def _detect_columnar(data: bytes) -> Literal["parquet", "arrow"] | None:
    if data.startswith(b"PAR1"):
        return "parquet"
    return "arrow" if data.startswith((b"ARROW1\0\0", b"\xff\xff\xff\xff")) else None


def _detect_json_format(head: Head) -> DetectedFormat:
    """Return the format of JSON text that begins with [ or {."""
    text = head.text
    first, _newline, rest = text.partition("\n")
    if rest and _is_complete(first):
        return DetectedFormat("lines")
    if text.startswith("["):
        return DetectedFormat("list")
    beginning = parse_beginning(text)
    if isinstance(beginning, dict) and (
        layout := find_layout(beginning, is_complete=head.is_complete, is_line=head.suffix in _LINE_SUFFIXES)
    ):
        return DetectedFormat("object", layout=layout)
    return DetectedFormat("objects" if rest and _find_object_end(text) > len(first) else "lines")


def _find_object_end(text: str) -> int:
    """Return the end of the object at the start of the text; 0 if the object is malformed or truncated."""
    try:
        return decode_value(text)[1]
    except json.JSONDecodeError:
        return 0


def _is_complete(text: str) -> bool:
    """Return whether a line holds a complete object, a conversation or a list of cells."""
    try:
        value = parse_json(text)
    except json.JSONDecodeError:
        return False
    is_cells = isinstance(value, list) and bool(value) and not any(isinstance(item, dict) for item in value)
    return is_cells or holds_conversation(value) or isinstance(value, dict | DuplicateKey)


def _describe_table(head: Head, separator: str) -> DetectedFormat:
    return DetectedFormat("table", separator, is_quoted=separator == "\t" and _uses_quotes(head))


def _uses_quotes(head: Head) -> bool:
    """Return whether a TSV file is quoted: in its header, or as more rows are complete if quotes enclose breaks."""
    lines = _read_first_lines(head)
    if not lines:
        return False
    header = lines[0].strip().split("\t")
    if all(len(cell) > 2 and cell[0] == cell[-1] == '"' for cell in header):
        return True
    if not any(line.count('"') % 2 for line in lines):  # no quote encloses a line break
        return False
    unquoted = sum(line.count("\t") + 1 == len(header) for line in lines) / len(lines)
    rows = [row for row in csv.reader(lines, delimiter="\t") if row]  # a quote that encloses the end is no error
    return sum(len(row) == len(header) for row in rows[:-1]) / max(len(rows) - 1, 1) > unquoted


def _choose_separator(head: Head) -> str:
    """Return the separator of a file that is a table by its suffix.

    It is the one with which the most rows have as many cells as the header. These criteria decide a tie, in
    this order: known names in the header, the usual separator of the suffix, and occurrences in the header.
    """
    usual = "\t" if head.suffix == ".tsv" else ","
    lines = _read_first_lines(head)
    ranks = {
        separator: (*_rate_separator(lines, separator), separator == usual, lines[0].count(separator))
        for separator in _SEPARATORS
        if lines and separator in lines[0]
    }
    return max(ranks, key=ranks.__getitem__, default=usual)


def _rate_separator(lines: list[str], separator: str) -> tuple[float, int]:
    """Return the share of rows with as many cells as the header, and the known names in the header."""
    quoting: Literal[0, 3] = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    try:
        rows = [row for row in islice(csv.reader(lines, delimiter=separator, quoting=quoting), _PEEK_LINES) if row]
    except csv.Error:
        return 0.0, 0
    header, *data_rows = rows or [[]]
    if len(header) < 2:
        return 0.0, 0
    even = sum(len(row) == len(header) for row in data_rows)
    known = sum(name.strip(' "\r\n').lower() in RECORD_KEYS for name in header)
    return (even / len(data_rows) if data_rows else 0.5), known


def _detect_separator(head: Head) -> str | None:
    """Return the separator of a file that is a table by its lines; None for running text.

    A table has at least two columns, a name for each, and as many cells in each of the next lines.
    """
    lines = _read_first_lines(head)
    if not lines:  # only characters that Python takes for blanks, such as a file separator
        return None
    return next(
        (separator for separator in _SEPARATORS if _is_table(lines, separator, is_complete=head.is_complete)), None
    )


def _read_first_lines(head: Head) -> list[str]:
    lines = io.StringIO(decode(head.data, head.encoding), newline=None).readlines(2**16)
    return [line for line in lines if line.strip()][: _PEEK_LINES + 1]


def _is_table(lines: list[str], separator: str, *, is_complete: bool) -> bool:
    quotings: list[Literal[0, 3]] = [csv.QUOTE_NONE, csv.QUOTE_MINIMAL] if separator == "\t" else [csv.QUOTE_MINIMAL]
    return any(_has_even_rows(lines, separator, quoting, is_complete=is_complete) for quoting in quotings)


def _has_even_rows(lines: list[str], separator: str, quoting: Literal[0, 3], *, is_complete: bool) -> bool:
    try:
        rows = list(islice(csv.reader(lines, delimiter=separator, quoting=quoting), _PEEK_LINES))
    except csv.Error:
        return False
    is_cut = not is_complete or len(lines) > _PEEK_LINES or not lines[-1].endswith("\n")
    if len(rows) > 2 and is_cut:
        rows.pop()  # the last row may be truncated
    header, *data_rows = rows or [[]]
    has_header = len(header) > 1 and all(
        name.strip() and len(name) <= _NAME_CHARACTERS and not _SENTENCE.search(name) for name in header
    )
    return has_header and bool(data_rows) and all(len(row) == len(header) for row in data_rows)
