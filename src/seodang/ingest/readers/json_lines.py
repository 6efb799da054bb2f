"""Read JSONL files, one object per line. An unreadable line becomes a malformed row and affects no other line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from seodang.i18n import Message
from seodang.ingest.readers.items import ItemConverter
from seodang.ingest.readers.json_errors import format_decode_error, parse_json
from seodang.ingest.readers.text import MAX_LINE_CHARACTERS, TextFile, is_utf8, iter_lines, repair_text, truncate_line
from seodang.ingest.rows import make_malformed_row


def read_json_lines(source: TextFile) -> Iterator[dict[str, Any]]:
    """Yield the object or the malformed row of each non-blank line."""
    with source.open() as file:
        items = ItemConverter("line")
        for number, line in enumerate(iter_lines(file), start=1):
            if line.isspace():  # strip would copy the line, which may be long
                continue
            record = _parse_line(line.removeprefix("\ufeff"), number, items)
            if record is not None:
                yield record


def _parse_line(line: str, number: int, items: ItemConverter) -> dict[str, Any] | None:
    if len(line) > MAX_LINE_CHARACTERS:
        return make_malformed_row(
            truncate_line(line),
            Message("line {line} has more than {limit:,} characters", {"line": number, "limit": MAX_LINE_CHARACTERS}),
        )
    if not is_utf8(line):
        return make_malformed_row(repair_text(line), format_encoding_error(line, number))
    try:
        value = parse_json(line)
    except json.JSONDecodeError as error:
        column = error.colno if error.lineno == 1 else len(line)  # the error of a truncated line lies after its end
        return make_malformed_row(line, format_decode_error(error, number, column))
    return items.convert(value, line, number)


def format_encoding_error(line: str, number: int) -> Message:
    """Return the reason of a malformed row with bytes that are not text in the encoding of the file."""
    position = next(position for position, character in enumerate(line) if "\udc80" <= character <= "\udcff")
    return Message(
        "line {line}, column {column}: these bytes are not text in the encoding of the file; write the line again",
        {"line": number, "column": position + 1},
    )
