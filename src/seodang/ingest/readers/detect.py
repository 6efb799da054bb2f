"""Detect the file format from the beginning of a file. The suffix is only a hint: JSONL in ".json" files is common."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import islice
from typing import Final, Literal

from seodang.errors import SourceError
from seodang.i18n import N_, _
from seodang.ingest.readers.by_column import reject_column_orient
from seodang.ingest.readers.json_errors import EXAMPLE_OBJECT, DuplicateKey, decode_value, parse_json, skip_whitespace
from seodang.ingest.readers.json_stream import LIST_KEYS
from seodang.ingest.readers.text import Head, repair_text
from seodang.ingest.readers.unsupported import reject_other_encoding, reject_unsupported
from seodang.ingest.rows import shorten

FileFormat = Literal["list", "wrapped list", "lines", "table", "parquet", "arrow"]

_OPENING: Final = re.compile(r'\[\s*[{\]]|\{\s*["}]')  # start of JSON that may hold records
_LIST_START: Final = re.compile(r"\[\s*[{\]]")
_SEPARATORS: Final = "\t,;"  # candidates in order
_PEEK_LINES: Final = 20  # lines that must have as many cells as the header if only they can show that a file is a table
_NAME_CHARACTERS: Final = 60
# A cell of running text: it ends like a sentence, or has four words.
_SENTENCE: Final = re.compile(r"[.!?。]\s*$|\S\s+\S+\s+\S+\s+\S")


def detect_file_format(head: Head, location: str) -> tuple[FileFormat, str]:
    """Return the format of a file and, for a table, its separator.

    Raises:
        SourceError: If the file is of an unsupported kind or in another encoding, or its format is unknown.

    """
    if binary := _detect_columnar(head.data):
        if head.is_compressed:
            raise SourceError(
                _(
                    "{path} is a compressed {format} file; decompress it: its columns are already compressed",
                    path=location,
                    format=binary,
                )
            )
        return binary, ""
    reject_unsupported(head, location)
    reject_other_encoding(head, location)
    text = head.text
    if _OPENING.match(text) or (head.suffix == ".json" and text.startswith("{")):
        return _detect_json_format(text, location), ""
    if head.suffix == ".json":
        return "list", ""
    if head.suffix in {".jsonl", ".ndjson"}:
        return "lines", ""
    if head.suffix in {".csv", ".tsv"}:
        return "table", _choose_separator(head.suffix, text.split("\n", 1)[0])
    if separator := _detect_separator(head):
        return "table", separator
    raise SourceError(
        _(
            '{path} is not JSON, JSONL, CSV, TSV, Parquet or Arrow: it begins with "{start}"; convert it into one of these',
            path=location,
            start=shorten(repair_text(text[:200])),
        )
    )


def _detect_columnar(data: bytes) -> Literal["parquet", "arrow"] | None:
    if data.startswith(b"PAR1"):
        return "parquet"
    return "arrow" if data.startswith((b"ARROW1\0\0", b"\xff\xff\xff\xff")) else None


def _detect_json_format(text: str, location: str) -> FileFormat:
    """Return the format of JSON text that begins with [ or {."""
    if text.startswith("["):
        return "list"
    first, _newline, rest = text.partition("\n")
    if _is_object(first) and rest:
        return "lines"
    if _has_list(text):
        return "wrapped list"
    if rest and not _is_object(first) and (end := _find_object_end(text)) > len(first):
        if is_single := not text[end:].strip():
            reject_column_orient(parse_json(text), location)
        content = N_("one object") if is_single else N_("objects that take several lines each")
        raise SourceError(
            _(
                "{path} holds {content}, expected a list of objects: [{example}, ...], or one under a key such as {keys};"
                " put them in a list",
                path=location,
                content=_(content),
                example=EXAMPLE_OBJECT,
                keys=", ".join(sorted(LIST_KEYS)),
            )
        )
    return "lines"


def _is_object(text: str) -> bool:
    try:
        return isinstance(parse_json(text), dict | DuplicateKey)
    except json.JSONDecodeError:
        return False


def _find_object_end(text: str) -> int:
    """Return the end of the object at the start of the text; 0 if the object is malformed or truncated."""
    try:
        return decode_value(text)[1]
    except json.JSONDecodeError:
        return 0


def _has_list(text: str) -> bool:
    """Return whether one of the first keys of an object, which may be truncated, names its list of records."""
    position = skip_whitespace(text, 1)
    try:
        while text[position : position + 1] == '"':
            key, position = decode_value(text, position)
            position = skip_whitespace(text, position)
            if text[position : position + 1] != ":":
                return False
            position = skip_whitespace(text, position + 1)
            if key in LIST_KEYS and _LIST_START.match(text, position):
                return True
            position = skip_whitespace(text, decode_value(text, position)[1])
            if text[position : position + 1] != ",":
                return False
            position = skip_whitespace(text, position + 1)
    except json.JSONDecodeError:
        return False
    return False


def _choose_separator(suffix: str, header: str) -> str:
    """Return the separator of a file that is a table by its suffix."""
    hint = "\t" if suffix == ".tsv" else ","
    return hint if hint in header else max(",\t;", key=header.count)


def _detect_separator(head: Head) -> str | None:
    """Return the separator of a file that is a table by its lines; None for running text.

    A table has at least two columns, a name for each, and as many cells in each of the next lines.
    """
    lines = io.StringIO(head.data.decode("utf-8", "surrogateescape"), newline=None).readlines(2**16)
    lines = [line for line in lines if line.strip()][: _PEEK_LINES + 1]
    return next(
        (separator for separator in _SEPARATORS if _is_table(lines, separator, is_complete=head.is_complete)), None
    )


def _is_table(lines: list[str], separator: str, *, is_complete: bool) -> bool:
    quoting: Literal[0, 3] = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    try:
        rows = list(islice(csv.reader(lines, delimiter=separator, quoting=quoting), _PEEK_LINES))
    except csv.Error:
        return False
    if len(rows) > 2 and (not is_complete or not lines[-1].endswith("\n")):
        rows.pop()  # the last row may be truncated
    header, *data_rows = rows or [[]]
    has_header = len(header) > 1 and all(
        name.strip() and len(name) <= _NAME_CHARACTERS and not _SENTENCE.search(name) for name in header
    )
    return has_header and bool(data_rows) and all(len(row) == len(header) for row in data_rows)
