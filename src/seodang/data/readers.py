"""Read one data file: JSON list, JSONL, CSV or TSV in, plain objects out. Knows nothing of instructions.

The format is told from the content, with the suffix as a hint: ".json" files full of
JSONL are common. TSV is read without quoting, as NSMC and KoBEST write it: a stray
quote is a letter of the text there, and must not swallow the lines that follow.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from seodang.data.rows import ROW_RAGGED, fault, shown
from seodang.errors import SourceError

Found = dict[str, Any]
Shape = Literal["list", "lines", "table"]

_ENCODING = "utf-8-sig"  # UTF-8, with or without a byte order mark
_SEPARATORS = ",\t;"
_HEAD = 65_536  # characters that tell the format
_ANY_SIZE = 2**31 - 1  # csv's own limit, 128 KiB a field, would end the run over one long text
_DIGITS = re.compile(r"\d{4301,}")  # Python reads no longer integer (CVE-2020-10735)
_NEAR = 20  # characters shown on each side of a fault


def read_objects(path: Path, place: str) -> Iterator[Found]:
    """Yield the objects of a file in their order; keys and values as they are in it.

    Args:
        path: The file.
        place: Its name in messages.

    Raises:
        SourceError: If it is missing, is not UTF-8, or is none of the four formats; with line and column.

    """
    try:
        yield from _objects(path, place)
    except UnicodeDecodeError as error:
        raise SourceError(_not_utf8(path, place)) from error
    except OSError as error:
        raise SourceError(f"{place} cannot be read ({error.strerror}); check that it is a file and that you may read it") from error


def _objects(path: Path, place: str) -> Iterator[Found]:
    first = _first_line(path)
    if not first:
        return
    match _shape(path.suffix.lower(), first):
        case "list":
            yield from _json_list(path, place)
        case "lines":
            yield from _json_lines(path, place)
        case "table":
            yield from _table(path, place, _separator(path.suffix.lower(), first))
        case None:
            raise SourceError(f'{place} is none of JSON, JSONL, CSV and TSV: it begins "{shown(first)}"; turn it into one of these')


def _first_line(path: Path) -> str:
    """Return the first line that isn't blank, or its beginning; "" for an empty file."""
    with path.open(encoding=_ENCODING, errors="replace") as file:
        while line := file.readline(_HEAD):
            if line.strip():
                return line.strip()
    return ""


def _shape(suffix: str, first: str) -> Shape | None:
    if suffix in {".csv", ".tsv"}:
        return "table"
    if first.startswith("["):
        return "list"
    if first.startswith("{") and (first.endswith("}") or len(first) > _HEAD // 2 or suffix != ".json"):
        return "lines"
    if suffix == ".json":
        return "list"
    if suffix in {".jsonl", ".ndjson"}:
        return "lines"
    return "table" if any(separator in first for separator in _SEPARATORS) else None


def _separator(suffix: str, header: str) -> str:
    hint = "\t" if suffix == ".tsv" else ","
    return hint if hint in header else max(_SEPARATORS, key=header.count)


def _json_list(path: Path, place: str) -> Iterator[Found]:
    """Yield the objects of one JSON list; each is let go of once it is used."""
    items = _parsed_list(path, place)
    items.reverse()
    for number in range(1, len(items) + 1):
        yield _object(items.pop(), f"{place}, item {number}")


def _parsed_list(path: Path, place: str) -> list[object]:
    with path.open(encoding=_ENCODING) as file:
        text = file.read()
    try:
        content = _parsed(text)
    except json.JSONDecodeError as error:
        raise SourceError(_unreadable(error, place, error.lineno, error.colno)) from error
    if not isinstance(content, list):
        raise SourceError(f'{place} holds {_named(content)}, expected a list of objects: [{{"instruction": ..., "output": ...}}, ...]; put them in a list')
    return content


def _json_lines(path: Path, place: str) -> Iterator[Found]:
    with path.open(encoding=_ENCODING) as file:
        for number, line in enumerate(file, start=1):
            if line.isspace():  # no strip: a line may be 100 MB, and each copy another
                continue
            try:
                yield _object(_parsed(line), f"{place}, line {number}")
            except json.JSONDecodeError as error:
                column = error.colno if error.lineno == 1 else len(line)  # a line cut off is missed only behind its end
                raise SourceError(_unreadable(error, place, number, column)) from error


def _parsed(text: str) -> object:
    """Return the JSON value; NaN and Infinity, which other programs write for a missing cell, become null."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise json.JSONDecodeError("lists or objects are nested too deeply", text, 0) from error
    except ValueError as error:
        digits = _DIGITS.search(text)
        raise json.JSONDecodeError("a number has more than 4,300 digits", text, digits.start() if digits else 0) from error


def _object(value: object, place: str) -> Found:
    if not isinstance(value, dict):
        raise SourceError(f'{place} is {_named(value)} ({shown(value, 40)}), expected an object: {{"instruction": ..., "output": ...}}')
    return value


def _unreadable(error: json.JSONDecodeError, place: str, line: int, column: int) -> str:
    near = shown(error.doc[max(error.pos - _NEAR, 0) : error.pos + _NEAR].strip())
    return f'{place}, line {line}, column {column}: this is not JSON ({error.msg}), near "{near}"; mend that place'


def _named(value: object) -> str:
    names: dict[type, str] = {dict: "one object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _table(path: Path, place: str, separator: str) -> Iterator[Found]:
    csv.field_size_limit(_ANY_SIZE)
    quoting: Literal[0, 3] = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    with path.open(encoding=_ENCODING, newline="") as file:
        reader = csv.reader(file, delimiter=separator, quoting=quoting, strict=True)
        header: list[str] = []
        begun = 1  # the line where the row begins: an unclosed quote is noticed only at the end of the file
        try:
            for cells in reader:
                begun = reader.line_num + 1
                if header and cells:
                    yield _named_cells(header, cells)
                elif any(cells):
                    header = _header(cells, place)
        except csv.Error as error:
            raise SourceError(f'{place}: the row that begins in line {begun} cannot be read ({error}); close its quotes, and double each quote within them: ""') from error


def _header(cells: list[str], place: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise SourceError(f"{place}: two columns have the name {shown(', '.join(twice))}; rename one")
    return names


def _named_cells(header: list[str], cells: list[str]) -> Found:
    """Return the row's cells by column; a missing cell is null, and a cell too many spoils the row."""
    if any(cells[len(header) :]):
        return dict.fromkeys(header, fault(ROW_RAGGED, cells))
    padded = [*cells, *[None] * (len(header) - len(cells))]
    return dict(zip(header, padded, strict=False))


def _not_utf8(path: Path, place: str) -> str:
    """Return the message with the first line that isn't UTF-8, and the encoding that it probably has."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                guess = _guess(path, line)
                fix = f"it may be {guess}: iconv -f {guess} -t UTF-8 OLD > NEW" if guess else "save it as UTF-8"
                return f"{place}, line {number}, byte {error.start + 1}: this is not UTF-8; {fix}"
    return f"{place} is not UTF-8; save it as UTF-8"


def _guess(path: Path, line: bytes) -> str | None:
    """Return the encoding that Korean files have when they aren't UTF-8: Excel's CP949, or UTF-16."""
    with path.open("rb") as file:
        if file.read(2) in {b"\xff\xfe", b"\xfe\xff"}:
            return "UTF-16"
    try:
        line.decode("cp949")
    except UnicodeDecodeError:
        return None
    return "CP949"
