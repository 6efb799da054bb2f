"""One JSON object a line. A line that cannot be read is a broken row, and harms no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seodang.ingest.readers.json_errors import (
    EXAMPLE_OBJECT,
    DuplicateKey,
    describe_type,
    format_decode_error,
    format_duplicate_key,
    parse_json,
)
from seodang.ingest.readers.text import MAX_LINE_CHARACTERS, is_utf8, iter_lines, open_text, repair_text, truncate_line
from seodang.ingest.rows import make_malformed_row, shorten


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the object of each line that isn't blank, or its broken_row()."""
    with open_text(path) as file:
        for number, line in enumerate(iter_lines(file), start=1):
            if not line.isspace():  # no strip: a line may be long, and each copy another
                yield _parse_line(line.removeprefix("\ufeff"), number)


def _parse_line(line: str, number: int) -> dict[str, Any]:
    if len(line) > MAX_LINE_CHARACTERS:
        return make_malformed_row(
            truncate_line(line), f"line {number} has more than {MAX_LINE_CHARACTERS:,} characters"
        )
    if not is_utf8(line):
        return make_malformed_row(repair_text(line), format_utf8_error(line, number))
    try:
        value = parse_json(line)
    except json.JSONDecodeError as error:
        column = error.colno if error.lineno == 1 else len(line)  # a line cut off is missed only behind its end
        return make_malformed_row(line, format_decode_error(error, number, column))
    if isinstance(value, DuplicateKey):
        return make_malformed_row(line, f"line {number}: {format_duplicate_key(value)}")
    if not isinstance(value, dict):
        return make_malformed_row(
            line,
            f"line {number} is {describe_type(value)} ({shorten(value, 40)}), expected an object: {EXAMPLE_OBJECT}",
        )
    return value


def format_utf8_error(line: str, number: int) -> str:
    """Return the reason of a broken row with bytes that are not UTF-8."""
    byte = next(position for position, letter in enumerate(line) if "\udc80" <= letter <= "\udcff")
    return f"line {number}, column {byte + 1}: this is not UTF-8, though the file as a whole is; write the line again"
