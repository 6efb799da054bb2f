"""Which shape a file has: told from how it begins; its suffix is a hint, for ".json" files full of JSONL are common."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import islice
from typing import Final, Literal

from seodang.errors import SourceError
from seodang.ingest.readers.by_column import find_column_orient_error
from seodang.ingest.readers.json_errors import EXAMPLE_OBJECT, DuplicateKey, decode_value, parse_json, skip_whitespace
from seodang.ingest.readers.json_stream import LIST_KEYS
from seodang.ingest.readers.text import Head, repair_text
from seodang.ingest.readers.unsupported import reject_other_encoding, reject_unsupported
from seodang.ingest.rows import shorten

FileFormat = Literal["list", "wrapped list", "lines", "table", "parquet", "arrow"]

_OPENING: Final = re.compile(r'\[\s*[{\]]|\{\s*["}]')  # of JSON that could hold records
_LIST_START: Final = re.compile(r"\[\s*[{\]]")
_SEPARATORS: Final = "\t,;"  # in the order of trial
_PEEK_LINES: Final = 20  # lines that must have as many cells as the header, when nothing else says that this is a table
_NAME_CHARACTERS: Final = 60
_SENTENCE: Final = re.compile(
    r"[.!?。]\s*$|\S\s+\S+\s+\S+\s+\S"
)  # a cell of running text: it ends like one, or has four words
_FORMATS: Final = "JSON, JSONL, CSV, TSV, parquet and Arrow"


def detect_file_format(head: Head, location: str) -> tuple[FileFormat, str]:
    """Return the shape of a file and, for a table, its separator.

    Raises:
        SourceError: If it is of another kind, in another encoding, or like none of the shapes.

    """
    if binary := _detect_columnar(head.data):
        if head.is_compressed:
            raise SourceError(f"{location} is a packed {binary} file; unpack it: its own columns are packed already")
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
        f'{location} is none of {_FORMATS}: it begins "{shorten(repair_text(text[:200]))}"; turn it into one of these'
    )


def _detect_columnar(data: bytes) -> Literal["parquet", "arrow"] | None:
    if data.startswith(b"PAR1"):
        return "parquet"
    return "arrow" if data.startswith((b"ARROW1\0\0", b"\xff\xff\xff\xff")) else None


def _detect_json_format(text: str, location: str) -> FileFormat:
    """Return the shape of JSON text that begins with [ or {."""
    if text.startswith("["):
        return "list"
    first, _, rest = text.partition("\n")
    if _is_object(first) and rest:
        return "lines"
    if _has_list(text):
        return "wrapped list"
    if rest and not _is_object(first) and (end := _find_object_end(text)) > len(first):
        if not text[end:].strip() and (reason := find_column_orient_error(parse_json(text))):
            raise SourceError(f"{location} {reason}")
        content = "objects that take several lines each" if text[end:].strip() else "one object"
        keys = ", ".join(sorted(LIST_KEYS))
        raise SourceError(
            f"{location} holds {content}, expected a list of objects: [{EXAMPLE_OBJECT}, ...], or one under a key such as {keys}; put them in a list"
        )
    return "lines"


def _is_object(text: str) -> bool:
    try:
        return isinstance(parse_json(text), dict | DuplicateKey)
    except json.JSONDecodeError:
        return False


def _find_object_end(text: str) -> int:
    """Return where the object ends that the text begins with; 0 if it is broken or cut."""
    try:
        return decode_value(text)[1]
    except json.JSONDecodeError:
        return 0


def _has_list(text: str) -> bool:
    """Tell whether one of the first keys of an object names its list of records; the object may be cut."""
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
    """Return the separator of a file whose suffix says that it is a table."""
    hint = "\t" if suffix == ".tsv" else ","
    return hint if hint in header else max(",\t;", key=header.count)


def _detect_separator(head: Head) -> str | None:
    """Return the separator of a file that nothing but its lines shows to be a table; None for running text.

    Two columns at least, all with a name, and as many cells in each of the next lines.
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
        rows.pop()  # its end may be missing
    header, *data_rows = rows or [[]]
    has_header = len(header) > 1 and all(
        name.strip() and len(name) <= _NAME_CHARACTERS and not _SENTENCE.search(name) for name in header
    )
    return has_header and bool(data_rows) and all(len(row) == len(header) for row in data_rows)
