"""Read JSON that holds a table by column or in parts, as pandas writes it, and reject one inside a row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from seodang.errors import SourceError
from seodang.i18n import Message, _
from seodang.ingest.readers.items import ItemConverter
from seodang.ingest.readers.json_errors import (
    DuplicateKey,
    format_decode_error,
    format_duplicate_key,
    parse_json,
)
from seodang.ingest.readers.json_layout import HELD_OUT_KEYS, TRAINING_KEYS
from seodang.ingest.readers.text import TextFile, repair_text
from seodang.ingest.rows import make_malformed_row, shorten

_MAX_CHARACTERS: Final = 2**29  # a table by column is read into memory
_INVALID_BYTE: Final = re.compile("[\udc80-\udcff]")  # how TextFile keeps a byte that is not UTF-8


def read_columns(source: TextFile, location: str, keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table by column: {"q": ["x", "y"], "a": ["u", "v"]}, or {"q": {"0": "x", "1": "y"}, ...}.

    Args:
        source: The file.
        location: Name of the file in messages.
        keys: Keys under which the table is, one within the other.

    Raises:
        SourceError: If the file is not JSON, or its columns have different lengths.

    """
    table = _load_table(source, location, keys)
    columns = {name: [*(column.values() if isinstance(column, dict) else column)] for name, column in table.items()}
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column):,}" for name, column in columns.items())
        raise SourceError(
            _(
                "{path} holds all values of a column under its key, but the columns have different lengths ({lengths});"
                " write the file again",
                path=location,
                lengths=shorten(lengths, 200),
            )
        )
    for number, cells in enumerate(zip(*columns.values(), strict=True), start=1):
        yield _check_utf8(dict(zip(columns, cells, strict=True)), number)


def read_split(source: TextFile, location: str, keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the rows of {"columns": [...], "index": [...], "data": [[...], ...]}.

    Args:
        source: The file.
        location: Name of the file in messages.
        keys: Keys under which the table is, one within the other.

    Raises:
        SourceError: If the file is not JSON.

    """
    table = _load_table(source, location, keys)
    items = ItemConverter("item", table["columns"])
    for number, cells in enumerate(table["data"], start=1):
        record = items.convert(cells, shorten(cells, 200), number)
        if record is not None:
            yield _check_utf8(record, number)


def reject_lists_in_row(value: object, location: str) -> None:
    """Raise a SourceError if the only row of a file holds lists of equal length: the columns of a table."""
    if not isinstance(value, dict) or len(value) < 2:
        return
    counts = {_count_cells(column) for column in value.values()}
    if len(counts) > 1 or not next(iter(counts)):
        return
    raise SourceError(
        _(
            "{path} holds one row with all values of a column in a list ({keys}); write a row for each value, in pandas:"
            ' df.explode(list(df.columns)).to_json("NEW.jsonl", orient="records", lines=True)',
            path=location,
            keys=shorten(", ".join(map(str, value)), 200),
        )
    )


def _count_cells(column: object) -> int:
    """Return the number of cells of a column; 0 for any other value."""
    is_column = isinstance(column, list) and all(cell is None or isinstance(cell, str | int | float) for cell in column)
    return len(column) if is_column and isinstance(column, list) else 0


def _load_table(source: TextFile, location: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return the object under the keys; raise a SourceError if the file is not JSON."""
    with source.open() as file:
        text = file.read(_MAX_CHARACTERS + 1)
    if len(text) > _MAX_CHARACTERS:
        raise SourceError(
            _(
                "{path} holds a table by column with more than {limit:,} characters, which does not fit into memory; write"
                ' a row on each line, in pandas: df.to_json("NEW.jsonl", orient="records", lines=True)',
                path=location,
                limit=_MAX_CHARACTERS,
            )
        )
    try:
        value: Any = parse_json(text)
    except json.JSONDecodeError as error:
        problem = format_decode_error(error, error.lineno, error.colno)
        raise SourceError(
            _("{path}, {problem}; repair the file there, or fetch it again", path=location, problem=problem)
        ) from error
    if isinstance(value, DuplicateKey):
        raise SourceError(_("{path}: {problem}", path=location, problem=format_duplicate_key(value)))
    for key in keys:
        reject_second_split(location, key, (name for name, inner in value.items() if isinstance(inner, dict | list)))
        value = value[key]
    table: dict[str, Any] = value
    return table


def reject_second_split(location: str, first: str, names: Iterable[str]) -> None:
    """Raise a SourceError if the records of another split stand beside those under `first`."""
    splits = TRAINING_KEYS | HELD_OUT_KEYS
    if first in splits and (second := next((name for name in names if name in splits and name != first), None)):
        raise SourceError(
            _(
                "{path} holds two lists of records, {first} and {second}; write each into its own file",
                path=location,
                first=first,
                second=second,
            )
        )


def _check_utf8(record: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the row; a malformed row if its texts hold bytes that are no text."""
    text = json.dumps(record, ensure_ascii=False)
    if not _INVALID_BYTE.search(text):
        return record
    reason = Message(
        "item {number} holds bytes that are not text in the encoding of the file; write it again", {"number": number}
    )
    return make_malformed_row(repair_text(text), reason)
