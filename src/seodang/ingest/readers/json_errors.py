"""JSON as other programs write it: parsed, and its faults said with their place."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from seodang.ingest.readers.text import mended
from seodang.ingest.rows import shown

_DIGITS: Final = re.compile(r"\d{4301,}")  # Python reads no longer integer (CVE-2020-10735)
_NEAR: Final = 20  # characters shown on each side of a fault
_BLANK: Final = re.compile(r"[ \t\n\r]*")
EXPECTED: Final = '{"instruction": ..., "output": ...}'


def _no_number(_: str) -> None:
    """NaN and Infinity, which other programs write for a missing cell, become null."""


@dataclass(frozen=True, slots=True)
class RepeatedKey:
    """Stands for a value in which one object has a key twice: all but its last value would vanish without a word."""

    key: str


class _RepeatedKeyError(Exception):
    """An object has a key twice."""


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(next(key for key in found if keys.count(key) > 1))
    return found


_DECODER: Final = json.JSONDecoder(parse_constant=_no_number, object_pairs_hook=_unrepeated)
_LAST_VALUE: Final = json.JSONDecoder(parse_constant=_no_number)  # of a repeated key: to find the end of such a value


def decoded(text: str, start: int = 0) -> tuple[Any, int]:
    """Return the JSON value that begins at `start`, or a RepeatedKey, and where it ends.

    Raises:
        json.JSONDecodeError: With the place of the fault.

    """
    try:
        try:
            return _DECODER.raw_decode(text, start)
        except _RepeatedKeyError as error:
            return RepeatedKey(str(error)), _LAST_VALUE.raw_decode(text, start)[1]
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise json.JSONDecodeError("lists or objects are nested too deeply", text, start) from error
    except ValueError as error:
        digits = _DIGITS.search(text, start)
        raise json.JSONDecodeError(
            "a number has more than 4,300 digits", text, digits.start() if digits else start
        ) from error


def parsed(text: str) -> object:
    """Return the one JSON value of a text, or a RepeatedKey.

    Raises:
        json.JSONDecodeError: With the place of the fault.

    """
    value, end = decoded(text, after_blanks(text, 0))
    if (end := after_blanks(text, end)) != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def after_blanks(text: str, start: int) -> int:
    """Return the place of the first letter from `start` that is not blank."""
    found = _BLANK.match(text, start)
    return found.end() if found else start


def fault_text(error: json.JSONDecodeError, line: int, column: int) -> str:
    """Return what is wrong, with its place and what stands there."""
    near = shown(mended(error.doc[max(error.pos - _NEAR, 0) : error.pos + _NEAR]).strip())
    return f'line {line}, column {column}: this is not JSON ({error.msg}), near "{near}"'


def twice_text(repeated: RepeatedKey) -> str:
    """Return what is wrong with an object that has a key twice."""
    return f'the key "{shown(repeated.key, 40)}" stands twice in one object; keep one of its values'


def named(value: object) -> str:
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
