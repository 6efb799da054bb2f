"""One JSON list, or an object that holds one, read item by item: a file of any size takes the memory of one item.

A list with a syntax error is refused as a whole: what follows the fault cannot be
trusted, and half a file must not pass for a whole one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from seodang.errors import SourceError
from seodang.ingest.readers.json_errors import (
    EXAMPLE_OBJECT,
    DuplicateKey,
    decode_value,
    describe_type,
    format_decode_error,
    format_duplicate_key,
    skip_whitespace,
)
from seodang.ingest.readers.text import MAX_LINE_CHARACTERS, is_utf8, open_text, repair_text
from seodang.ingest.rows import make_malformed_row, shorten

LIST_KEYS: Final = frozenset(
    {
        "data",
        "records",
        "examples",
        "train",
        "rows",
        "items",
        "samples",
        "dataset",
        "test",
        "validation",
        "valid",
        "dev",
        "eval",
    }
)
_BLOCK: Final = 2**18  # characters read at a time; doubled while one item needs more
_NEAR_END: Final = 16  # a fault this near the end of what was read may be but a cut: \ud83d\ude00 has 12 characters


def read_json_list(path: Path, location: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of the one list that a file holds, or the broken_row() of an item that is none.

    Raises:
        SourceError: At the first syntax error, with line, column and the number of records before it.

    """
    with open_text(path) as file:
        stream = _Stream(file, location)
        if stream.peek() != "[":
            raise SourceError(
                f'{location} holds no list, it begins "{shorten(repair_text(stream.get_lookahead()))}"; expected [{EXAMPLE_OBJECT}, ...]'
            )
        yield from _iter_items(stream)
        stream.expect_end()


def read_wrapped_list(path: Path, location: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of the list that the file's one object holds under one of LIST_KEYS.

    Raises:
        SourceError: As for a list; and if there are two of them.

    """
    with open_text(path) as file:
        stream = _Stream(file, location)
        list_key = ""
        stream.expect("{")
        while stream.peek() != "}":
            key = stream.read_key()
            if key in LIST_KEYS and stream.peek() == "[":
                if list_key:
                    raise SourceError(
                        f"{location} holds two lists of records, {list_key} and {key}; make a file of each"
                    )
                list_key = key
                yield from _iter_items(stream)
            else:
                stream.read_value()
            if stream.peek() != "}":
                stream.expect(",")
        stream.expect("}")
        stream.expect_end()


def _iter_items(stream: _Stream) -> Iterator[dict[str, Any]]:
    stream.expect("[")
    while stream.peek() != "]":
        if stream.items:
            stream.expect(",")
        value, text = stream.read_value()
        stream.items += 1
        if not is_utf8(text):
            yield make_malformed_row(
                repair_text(text), f"item {stream.items} holds bytes that are not UTF-8, though the file as a whole is"
            )
        elif isinstance(value, DuplicateKey):
            yield make_malformed_row(text, f"item {stream.items}: {format_duplicate_key(value)}")
        elif not isinstance(value, dict):
            yield make_malformed_row(
                text,
                f"item {stream.items} is {describe_type(value)} ({shorten(value, 40)}), expected an object: {EXAMPLE_OBJECT}",
            )
        else:
            yield value
    stream.expect("]")


class _Stream:
    """JSON text that is read as it is needed; what was used is let go of."""

    def __init__(self, file: TextIO, location: str) -> None:
        self.items = 0  # of the list, so far
        self._file, self._location = file, location
        self._text, self._position, self._is_eof = "", 0, False
        self._lines, self._column = 0, 0  # before _text: whole lines, and characters of the last one

    def peek(self) -> str:
        """Return the next letter that isn't blank, "" at the end of the file."""
        self._position = skip_whitespace(self._text, self._position)
        while self._position == len(self._text) and not self._is_eof:
            self._read(_BLOCK)
            self._position = skip_whitespace(self._text, self._position)
        return self._text[self._position : self._position + 1]

    def get_lookahead(self) -> str:
        """Return the text that was read and not yet used."""
        return self._text[self._position :]

    def expect(self, character: str) -> None:
        """Go past one sign, which must come next."""
        if self.peek() != character:
            self._refuse(json.JSONDecodeError(f"Expecting '{character}'", self._text, self._position))
        self._position += 1

    def read_key(self) -> str:
        """Go past a key and its colon."""
        if self.peek() != '"':
            self._refuse(json.JSONDecodeError("Expecting a key in double quotes", self._text, self._position))
        key, _ = self.read_value()
        self.expect(":")
        return str(key)

    def read_value(self) -> tuple[Any, str]:
        """Return the value that comes next, and its text."""
        self.peek()
        block = _BLOCK
        while True:
            try:
                value, end = decode_value(self._text, self._position)
            except json.JSONDecodeError as error:
                if self._is_eof or not self._can_be_truncated(error):
                    self._refuse(error)
            else:
                if self._is_eof or end < len(self._text):  # else a number may go on
                    text, self._position = self._text[self._position : end], end
                    return value, text
            if len(self._text) - self._position > MAX_LINE_CHARACTERS:
                raise SourceError(
                    f"{self._location}: item {self.items + 1} has more than {MAX_LINE_CHARACTERS:,} characters; split it"
                )
            self._read(block)
            block *= 2

    def expect_end(self) -> None:
        """Refuse whatever follows the value."""
        if self.peek():
            self._refuse(json.JSONDecodeError("Extra data", self._text, self._position))

    def _can_be_truncated(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or error.pos + _NEAR_END > len(self._text)

    def _read(self, characters: int) -> None:
        consumed = self._text[: self._position]
        self._lines += consumed.count("\n")
        self._column = len(consumed) - consumed.rfind("\n") - 1 if "\n" in consumed else self._column + len(consumed)
        more = self._file.read(characters)
        self._is_eof = not more
        self._text, self._position = self._text[self._position :] + more, 0

    def _refuse(self, error: json.JSONDecodeError) -> None:
        line = self._lines + error.lineno
        column = error.colno + (self._column if error.lineno == 1 else 0)
        before = (
            f"the {self.items:,} records before it can be read, but a list that is cut or broken is not half used; "
            if self.items
            else ""
        )
        raise SourceError(
            f"{self._location}, {format_decode_error(error, line, column)}; {before}mend that place or fetch the file again"
        ) from error
