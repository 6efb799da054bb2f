"""Read a JSON list, or an object that holds one, item by item: memory holds one item, whatever the file size.

A list with a syntax error is rejected completely: the items after the error are not reliable, and a partial file must
not be taken for a complete one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from seodang.errors import SourceError
from seodang.i18n import N_, Message, _
from seodang.ingest.readers.items import ItemConverter
from seodang.ingest.readers.json_errors import (
    EXAMPLE_OBJECT,
    decode_value,
    format_decode_error,
    skip_whitespace,
)
from seodang.ingest.readers.json_layout import LIST_KEYS
from seodang.ingest.readers.text import MAX_LINE_CHARACTERS, is_utf8, open_text, repair_text
from seodang.ingest.rows import make_malformed_row, shorten

_BLOCK: Final = 2**18  # characters read at a time; doubled while one item needs more
_NEAR_END: Final = 16  # an error this close to the end of the buffer may be a cut: \ud83d\ude00 has 12 characters


def read_json_list(path: Path, location: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of the only list in a file; an item that is no object becomes a malformed row.

    Raises:
        SourceError: At the first syntax error; the message gives line, column and the number of records before it.

    """
    with open_text(path) as file:
        stream = _Stream(file, location)
        if stream.peek() != "[":
            raise SourceError(
                _(
                    '{path} holds no list, it begins with "{start}"; expected [{example}, ...]',
                    path=location,
                    start=shorten(repair_text(stream.get_lookahead())),
                    example=EXAMPLE_OBJECT,
                )
            )
        yield from _iter_items(stream)
        stream.expect_end()


def read_wrapped_list(path: Path, location: str, keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the objects of the list that the only object in a file holds under these keys, one within the other.

    Raises:
        SourceError: At the first syntax error, or if the object holds a second such list.

    """
    with open_text(path) as file:
        stream = _Stream(file, location)
        yield from _iter_below(stream, keys, _iter_items)
        stream.expect_end()


def read_members(path: Path, location: str, keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the values of an object that holds a record under each of its keys, such as {"17": {...}, "18": {...}}.

    Args:
        path: The file.
        location: Name of the file in messages.
        keys: Keys under which the object is, one within the other; () for the only object in the file.

    Raises:
        SourceError: At the first syntax error.

    """
    with open_text(path) as file:
        stream = _Stream(file, location)
        yield from _iter_below(stream, keys, _iter_members)
        stream.expect_end()


def read_concatenated(path: Path, location: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file that holds one object, or several one after the other, of several lines each.

    Raises:
        SourceError: At the first syntax error.

    """
    with open_text(path) as file:
        stream = _Stream(file, location)
        items = ItemConverter("item")
        while stream.peek():
            yield from _read_item(stream, items)


def _iter_below(
    stream: _Stream, keys: tuple[str, ...], iter_records: Callable[[_Stream], Iterator[dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    """Yield the records under the first of these keys, and skip the other members of the object."""
    if not keys:
        yield from iter_records(stream)
        return
    is_found = False
    stream.expect("{")
    while stream.peek() != "}":
        key = stream.read_key()
        if key == keys[0] and not is_found:
            is_found = True
            yield from _iter_below(stream, keys[1:], iter_records)
        elif is_found and key in LIST_KEYS and stream.peek() == "[":
            raise SourceError(
                _(
                    "{path} holds two lists of records, {first} and {second}; write each into its own file",
                    path=stream.location,
                    first=keys[0],
                    second=key,
                )
            )
        else:
            stream.read_value()
        if stream.peek() != "}":
            stream.expect(",")
    stream.expect("}")


def _iter_items(stream: _Stream) -> Iterator[dict[str, Any]]:
    items = ItemConverter("item")
    stream.expect("[")
    while stream.peek() != "]":
        if stream.items:
            stream.expect(",")
        yield from _read_item(stream, items)
    stream.expect("]")


def _iter_members(stream: _Stream) -> Iterator[dict[str, Any]]:
    items = ItemConverter("item")
    stream.expect("{")
    while stream.peek() != "}":
        if stream.items:
            stream.expect(",")
        stream.read_key()
        yield from _read_item(stream, items)
    stream.expect("}")


def _read_item(stream: _Stream, items: ItemConverter) -> Iterator[dict[str, Any]]:
    """Yield the object of the next value, or a malformed row; nothing for a list with the names of the columns."""
    value, text = stream.read_value()
    stream.items += 1
    if not is_utf8(text):
        yield make_malformed_row(
            repair_text(text),
            Message(
                "item {number} holds bytes that are not UTF-8, unlike the rest of the file", {"number": stream.items}
            ),
        )
        return
    record = items.convert(value, text, stream.items)
    if record is not None:
        yield record


class _Stream:
    """Read JSON text on demand; consumed text is released."""

    def __init__(self, file: TextIO, location: str) -> None:
        self.items = 0  # items of the list read so far
        self._file, self.location = file, location
        self._text, self._position, self._is_eof = "", 0, False
        self._lines, self._column = 0, 0  # before _text: complete lines, and characters of the last line

    def peek(self) -> str:
        """Return the next non-whitespace character without consuming it; "" at the end of the file."""
        self._position = skip_whitespace(self._text, self._position)
        while self._position == len(self._text) and not self._is_eof:
            self._read(_BLOCK)
            self._position = skip_whitespace(self._text, self._position)
        return self._text[self._position : self._position + 1]

    def get_lookahead(self) -> str:
        """Return the text that was read and is not consumed."""
        return self._text[self._position :]

    def expect(self, character: str) -> None:
        """Consume one character, which must come next."""
        if self.peek() != character:
            self._refuse(json.JSONDecodeError(f"Expecting '{character}'", self._text, self._position))
        self._position += 1

    def read_key(self) -> str:
        """Consume a key and its colon, and return the key."""
        if self.peek() != '"':
            self._refuse(json.JSONDecodeError(N_("Expecting a key in double quotes"), self._text, self._position))
        key, _text = self.read_value()
        self.expect(":")
        return str(key)

    def read_value(self) -> tuple[Any, str]:
        """Consume the next value, and return it with its text."""
        self.peek()
        block = _BLOCK
        while True:
            try:
                value, end = decode_value(self._text, self._position)
            except json.JSONDecodeError as error:
                if self._is_eof or not self._can_be_truncated(error):
                    self._refuse(error)
            else:
                if self._is_eof or end < len(self._text):  # a number may continue after the buffer
                    text, self._position = self._text[self._position : end], end
                    return value, text
            if len(self._text) - self._position > MAX_LINE_CHARACTERS:
                raise SourceError(
                    _(
                        "{path}: item {number} has more than {limit:,} characters; split it",
                        path=self.location,
                        number=self.items + 1,
                        limit=MAX_LINE_CHARACTERS,
                    )
                )
            self._read(block)
            block *= 2

    def expect_end(self) -> None:
        """Raise a SourceError if text follows the value."""
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
        values = {
            "path": self.location,
            "problem": format_decode_error(error, line, column),
            "count": self.items,
        }
        message = Message("{path}, {problem}; repair the file there, or fetch it again", values)
        if self.items:
            message = Message(
                "{path}, {problem}; readable records before it: {count:,}, but a truncated or damaged list is never"
                " used in part; repair the file there, or fetch it again",
                values,
            )
        raise SourceError(str(message)) from error
