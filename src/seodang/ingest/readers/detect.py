"""Which shape a file has: told from how it begins; its suffix is a hint, for ".json" files full of JSONL are common."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import islice
from typing import Final, Literal

from seodang.errors import SourceError
from seodang.ingest.readers.by_column import by_column
from seodang.ingest.readers.json_errors import EXPECTED, RepeatedKey, after_blanks, decoded, parsed
from seodang.ingest.readers.json_stream import LIST_KEYS
from seodang.ingest.readers.text import Head, mended
from seodang.ingest.readers.unsupported import refuse_foreign, refuse_other_encoding
from seodang.ingest.rows import shown

Shape = Literal["list", "wrapped list", "lines", "table", "parquet", "arrow"]

_OPENING: Final = re.compile(r'\[\s*[{\]]|\{\s*["}]')  # of JSON that could hold records
_LISTED: Final = re.compile(r"\[\s*[{\]]")
_SEPARATORS: Final = "\t,;"  # in the order of trial
_PEEKED: Final = 20  # lines that must have as many cells as the header, when nothing else says that this is a table
_NAME_CHARACTERS: Final = 60
_SENTENCE: Final = re.compile(
    r"[.!?。]\s*$|\S\s+\S+\s+\S+\s+\S"
)  # a cell of running text: it ends like one, or has four words
_FORMATS: Final = "JSON, JSONL, CSV, TSV, parquet and Arrow"


def recognise(head: Head, place: str) -> tuple[Shape, str]:
    """Return the shape of a file and, for a table, its separator.

    Raises:
        SourceError: If it is of another kind, in another encoding, or like none of the shapes.

    """
    if binary := _columnar(head.data):
        if head.packed:
            raise SourceError(f"{place} is a packed {binary} file; unpack it: its own columns are packed already")
        return binary, ""
    refuse_foreign(head, place)
    refuse_other_encoding(head, place)
    text = head.text
    if _OPENING.match(text) or (head.suffix == ".json" and text.startswith("{")):
        return _json_shape(text, place), ""
    if head.suffix == ".json":
        return "list", ""
    if head.suffix in {".jsonl", ".ndjson"}:
        return "lines", ""
    if head.suffix in {".csv", ".tsv"}:
        return "table", _separator(head.suffix, text.split("\n", 1)[0])
    if separator := _evident_separator(head):
        return "table", separator
    raise SourceError(
        f'{place} is none of {_FORMATS}: it begins "{shown(mended(text[:200]))}"; turn it into one of these'
    )


def _columnar(data: bytes) -> Literal["parquet", "arrow"] | None:
    if data.startswith(b"PAR1"):
        return "parquet"
    return "arrow" if data.startswith((b"ARROW1\0\0", b"\xff\xff\xff\xff")) else None


def _json_shape(text: str, place: str) -> Shape:
    """Return the shape of JSON text that begins with [ or {."""
    if text.startswith("["):
        return "list"
    first, _, rest = text.partition("\n")
    if _is_object(first) and rest:
        return "lines"
    if _holds_list(text):
        return "wrapped list"
    if rest and not _is_object(first) and (end := _object_end(text)) > len(first):
        if not text[end:].strip() and (why := by_column(parsed(text))):
            raise SourceError(f"{place} {why}")
        found = "objects that take several lines each" if text[end:].strip() else "one object"
        keys = ", ".join(sorted(LIST_KEYS))
        raise SourceError(
            f"{place} holds {found}, expected a list of objects: [{EXPECTED}, ...], or one under a key such as {keys}; put them in a list"
        )
    return "lines"


def _is_object(text: str) -> bool:
    try:
        return isinstance(parsed(text), dict | RepeatedKey)
    except json.JSONDecodeError:
        return False


def _object_end(text: str) -> int:
    """Return where the object ends that the text begins with; 0 if it is broken or cut."""
    try:
        return decoded(text)[1]
    except json.JSONDecodeError:
        return 0


def _holds_list(text: str) -> bool:
    """Tell whether one of the first keys of an object names its list of records; the object may be cut."""
    at = after_blanks(text, 1)
    try:
        while text[at : at + 1] == '"':
            key, at = decoded(text, at)
            at = after_blanks(text, at)
            if text[at : at + 1] != ":":
                return False
            at = after_blanks(text, at + 1)
            if key in LIST_KEYS and _LISTED.match(text, at):
                return True
            at = after_blanks(text, decoded(text, at)[1])
            if text[at : at + 1] != ",":
                return False
            at = after_blanks(text, at + 1)
    except json.JSONDecodeError:
        return False
    return False


def _separator(suffix: str, header: str) -> str:
    """Return the separator of a file whose suffix says that it is a table."""
    hint = "\t" if suffix == ".tsv" else ","
    return hint if hint in header else max(",\t;", key=header.count)


def _evident_separator(head: Head) -> str | None:
    """Return the separator of a file that nothing but its lines shows to be a table; None for running text.

    Two columns at least, all with a name, and as many cells in each of the next lines.
    """
    lines = io.StringIO(head.data.decode("utf-8", "surrogateescape"), newline=None).readlines(2**16)
    lines = [line for line in lines if line.strip()][: _PEEKED + 1]
    return next((separator for separator in _SEPARATORS if _fits(lines, separator, whole=head.whole)), None)


def _fits(lines: list[str], separator: str, *, whole: bool) -> bool:
    quoting: Literal[0, 3] = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    try:
        rows = list(islice(csv.reader(lines, delimiter=separator, quoting=quoting), _PEEKED))
    except csv.Error:
        return False
    if len(rows) > 2 and (not whole or not lines[-1].endswith("\n")):
        rows.pop()  # its end may be missing
    header, *others = rows or [[]]
    named = len(header) > 1 and all(
        name.strip() and len(name) <= _NAME_CHARACTERS and not _SENTENCE.search(name) for name in header
    )
    return named and bool(others) and all(len(row) == len(header) for row in others)
