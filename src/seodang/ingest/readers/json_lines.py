"""One JSON object a line. A line that cannot be read is a broken row, and harms no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seodang.ingest.readers.json_errors import EXPECTED, RepeatedKey, fault_text, named, parsed, twice_text
from seodang.ingest.readers.text import LINE_CHARACTERS, beginning, is_utf8, lines_of, mended, open_text
from seodang.ingest.rows import broken_row, shown


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the object of each line that isn't blank, or its broken_row()."""
    with open_text(path) as file:
        for number, line in enumerate(lines_of(file), start=1):
            if not line.isspace():  # no strip: a line may be long, and each copy another
                yield _object(line.removeprefix("\ufeff"), number)


def _object(line: str, number: int) -> dict[str, Any]:
    if len(line) > LINE_CHARACTERS:
        return broken_row(beginning(line), f"line {number} has more than {LINE_CHARACTERS:,} characters")
    if not is_utf8(line):
        return broken_row(mended(line), not_utf8(line, number))
    try:
        value = parsed(line)
    except json.JSONDecodeError as error:
        column = error.colno if error.lineno == 1 else len(line)  # a line cut off is missed only behind its end
        return broken_row(line, fault_text(error, number, column))
    if isinstance(value, RepeatedKey):
        return broken_row(line, f"line {number}: {twice_text(value)}")
    if not isinstance(value, dict):
        return broken_row(line, f"line {number} is {named(value)} ({shown(value, 40)}), expected an object: {EXPECTED}")
    return value


def not_utf8(line: str, number: int) -> str:
    """Return the reason of a broken row with bytes that are not UTF-8."""
    byte = next(place for place, letter in enumerate(line) if "\udc80" <= letter <= "\udcff")
    return f"line {number}, column {byte + 1}: this is not UTF-8, though the file as a whole is; write the line again"
