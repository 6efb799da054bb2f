"""Parse JSON, and describe its errors with their position."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from seodang.i18n import N_, Message
from seodang.ingest.readers.text import repair_text
from seodang.ingest.rows import shorten

_DIGITS: Final = re.compile(r"\d{4301,}")  # Python rejects longer integers (CVE-2020-10735)
_CONTEXT_CHARACTERS: Final = 20  # characters in a message on each side of an error
_WHITESPACE: Final = re.compile(r"[ \t\n\r]*")
EXAMPLE_OBJECT: Final = '{"instruction": ..., "output": ...}'


def _replace_constant(_name: str) -> None:
    """Return null for NaN and Infinity, which other programs write for a missing cell."""


@dataclass(frozen=True, slots=True)
class DuplicateKey:
    """Replaces a value in which an object has a key twice: JSON parsers silently keep only the last value."""

    key: str


class _DuplicateKeyError(Exception):
    """An object has a key twice."""


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _value in pairs]
        raise _DuplicateKeyError(next(key for key in result if keys.count(key) > 1))
    return result


_DECODER: Final = json.JSONDecoder(parse_constant=_replace_constant, object_pairs_hook=_reject_duplicate_keys)
# Finds the end of a value with a duplicate key.
_LENIENT_DECODER: Final = json.JSONDecoder(parse_constant=_replace_constant)


def decode_value(text: str, start: int = 0) -> tuple[Any, int]:
    """Return the JSON value (or a DuplicateKey) that begins at `start`, and its end position.

    Raises:
        json.JSONDecodeError: If the text is not JSON; it holds the position of the error.

    """
    try:
        try:
            return _DECODER.raw_decode(text, start)
        except _DuplicateKeyError as error:
            return DuplicateKey(str(error)), _LENIENT_DECODER.raw_decode(text, start)[1]
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise json.JSONDecodeError(N_("lists or objects are nested too deeply"), text, start) from error
    except ValueError as error:
        digits = _DIGITS.search(text, start)
        raise json.JSONDecodeError(
            N_("a number has more than 4,300 digits"), text, digits.start() if digits else start
        ) from error


def parse_json(text: str) -> object:
    """Return the only JSON value of a text, or a DuplicateKey.

    Raises:
        json.JSONDecodeError: If the text is not JSON; it holds the position of the error.

    """
    value, end = decode_value(text, skip_whitespace(text, 0))
    if (end := skip_whitespace(text, end)) != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def skip_whitespace(text: str, start: int) -> int:
    """Return the position of the first non-whitespace character from `start` on."""
    match = _WHITESPACE.match(text, start)
    return match.end() if match else start


def format_decode_error(error: json.JSONDecodeError, line: int, column: int) -> Message:
    """Return the message of a JSON error with its position and the text near it."""
    near = shorten(
        repair_text(error.doc[max(error.pos - _CONTEXT_CHARACTERS, 0) : error.pos + _CONTEXT_CHARACTERS]).strip()
    )
    return Message(
        'line {line}, column {column}: this is not JSON ({reason}), near "{near}"',
        {"line": line, "column": column, "reason": Message(error.msg), "near": near},
    )


def format_duplicate_key(duplicate: DuplicateKey) -> Message:
    """Return the message for an object that has a key twice."""
    return Message('an object has the key "{key}" twice; keep one of its values', {"key": shorten(duplicate.key, 40)})


def describe_type(value: object) -> Message:
    """Return the JSON type of a value."""
    names: dict[type, Message] = {
        dict: Message("one object"),
        list: Message("a list"),
        str: Message("text"),
        bool: Message("true or false"),
        int: Message("a number"),
        float: Message("a number"),
    }
    return names.get(type(value), Message("null"))
