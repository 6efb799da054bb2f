"""JSON as other programs write it: parsed, and its faults said with their place."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from seodang.ingest.readers.text import repair_text
from seodang.ingest.rows import shorten

_DIGITS: Final = re.compile(r"\d{4301,}")  # Python reads no longer integer (CVE-2020-10735)
_CONTEXT_CHARACTERS: Final = 20  # characters shown on each side of a fault
_WHITESPACE: Final = re.compile(r"[ \t\n\r]*")
EXAMPLE_OBJECT: Final = '{"instruction": ..., "output": ...}'


def _replace_constant(_: str) -> None:
    """NaN and Infinity, which other programs write for a missing cell, become null."""


@dataclass(frozen=True, slots=True)
class DuplicateKey:
    """Stands for a value in which one object has a key twice: all but its last value would vanish without a word."""

    key: str


class _DuplicateKeyError(Exception):
    """An object has a key twice."""


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKeyError(next(key for key in result if keys.count(key) > 1))
    return result


_DECODER: Final = json.JSONDecoder(parse_constant=_replace_constant, object_pairs_hook=_reject_duplicate_keys)
_LENIENT_DECODER: Final = json.JSONDecoder(
    parse_constant=_replace_constant
)  # of a repeated key: to find the end of such a value


def decode_value(text: str, start: int = 0) -> tuple[Any, int]:
    """Return the JSON value that begins at `start`, or a RepeatedKey, and where it ends.

    Raises:
        json.JSONDecodeError: With the place of the fault.

    """
    try:
        try:
            return _DECODER.raw_decode(text, start)
        except _DuplicateKeyError as error:
            return DuplicateKey(str(error)), _LENIENT_DECODER.raw_decode(text, start)[1]
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise json.JSONDecodeError("lists or objects are nested too deeply", text, start) from error
    except ValueError as error:
        digits = _DIGITS.search(text, start)
        raise json.JSONDecodeError(
            "a number has more than 4,300 digits", text, digits.start() if digits else start
        ) from error


def parse_json(text: str) -> object:
    """Return the one JSON value of a text, or a RepeatedKey.

    Raises:
        json.JSONDecodeError: With the place of the fault.

    """
    value, end = decode_value(text, skip_whitespace(text, 0))
    if (end := skip_whitespace(text, end)) != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def skip_whitespace(text: str, start: int) -> int:
    """Return the place of the first letter from `start` that is not blank."""
    match = _WHITESPACE.match(text, start)
    return match.end() if match else start


def format_decode_error(error: json.JSONDecodeError, line: int, column: int) -> str:
    """Return what is wrong, with its place and what stands there."""
    near = shorten(
        repair_text(error.doc[max(error.pos - _CONTEXT_CHARACTERS, 0) : error.pos + _CONTEXT_CHARACTERS]).strip()
    )
    return f'line {line}, column {column}: this is not JSON ({error.msg}), near "{near}"'


def format_duplicate_key(duplicate: DuplicateKey) -> str:
    """Return what is wrong with an object that has a key twice."""
    return f'the key "{shorten(duplicate.key, 40)}" stands twice in one object; keep one of its values'


def describe_type(value: object) -> str:
    """Return what a value is, in words."""
    names: dict[type, str] = {
        dict: "one object",
        list: "a list",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "null")
