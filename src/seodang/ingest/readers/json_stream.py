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
    EXPECTED,
    RepeatedKey,
    after_blanks,
    decoded,
    fault_text,
    named,
    twice_text,
)
from seodang.ingest.readers.text import LINE_CHARACTERS, is_utf8, mended, open_text
from seodang.ingest.rows import broken_row, shown

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


def read_json_list(path: Path, place: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of the one list that a file holds, or the broken_row() of an item that is none.

    Raises:
        SourceError: At the first syntax error, with line, column and the number of records before it.

    """
    with open_text(path) as file:
        stream = _Stream(file, place)
        if stream.peek() != "[":
            raise SourceError(
                f'{place} holds no list, it begins "{shown(mended(stream.ahead()))}"; expected [{EXPECTED}, ...]'
            )
        yield from _items(stream)
        stream.finish()


def read_wrapped_list(path: Path, place: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of the list that the file's one object holds under one of LIST_KEYS.

    Raises:
        SourceError: As for a list; and if there are two of them.

    """
    with open_text(path) as file:
        stream = _Stream(file, place)
        found = ""
        stream.take("{")
        while stream.peek() != "}":
            key = stream.key()
            if key in LIST_KEYS and stream.peek() == "[":
                if found:
                    raise SourceError(f"{place} holds two lists of records, {found} and {key}; make a file of each")
                found = key
                yield from _items(stream)
            else:
                stream.value()
            if stream.peek() != "}":
                stream.take(",")
        stream.take("}")
        stream.finish()


def _items(stream: _Stream) -> Iterator[dict[str, Any]]:
    stream.take("[")
    while stream.peek() != "]":
        if stream.items:
            stream.take(",")
        value, text = stream.value()
        stream.items += 1
        if not is_utf8(text):
            yield broken_row(
                mended(text), f"item {stream.items} holds bytes that are not UTF-8, though the file as a whole is"
            )
        elif isinstance(value, RepeatedKey):
            yield broken_row(text, f"item {stream.items}: {twice_text(value)}")
        elif not isinstance(value, dict):
            yield broken_row(
                text, f"item {stream.items} is {named(value)} ({shown(value, 40)}), expected an object: {EXPECTED}"
            )
        else:
            yield value
    stream.take("]")


class _Stream:
    """JSON text that is read as it is needed; what was used is let go of."""

    def __init__(self, file: TextIO, place: str) -> None:
        self.items = 0  # of the list, so far
        self._file, self._place = file, place
        self._text, self._at, self._ended = "", 0, False
        self._lines, self._column = 0, 0  # before _text: whole lines, and characters of the last one

    def peek(self) -> str:
        """Return the next letter that isn't blank, "" at the end of the file."""
        self._at = after_blanks(self._text, self._at)
        while self._at == len(self._text) and not self._ended:
            self._read(_BLOCK)
            self._at = after_blanks(self._text, self._at)
        return self._text[self._at : self._at + 1]

    def ahead(self) -> str:
        """Return the text that was read and not yet used."""
        return self._text[self._at :]

    def take(self, sign: str) -> None:
        """Go past one sign, which must come next."""
        if self.peek() != sign:
            self._refuse(json.JSONDecodeError(f"Expecting '{sign}'", self._text, self._at))
        self._at += 1

    def key(self) -> str:
        """Go past a key and its colon."""
        if self.peek() != '"':
            self._refuse(json.JSONDecodeError("Expecting a key in double quotes", self._text, self._at))
        key, _ = self.value()
        self.take(":")
        return str(key)

    def value(self) -> tuple[Any, str]:
        """Return the value that comes next, and its text."""
        self.peek()
        block = _BLOCK
        while True:
            try:
                value, end = decoded(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended or not self._may_be_cut(error):
                    self._refuse(error)
            else:
                if self._ended or end < len(self._text):  # else a number may go on
                    text, self._at = self._text[self._at : end], end
                    return value, text
            if len(self._text) - self._at > LINE_CHARACTERS:
                raise SourceError(
                    f"{self._place}: item {self.items + 1} has more than {LINE_CHARACTERS:,} characters; split it"
                )
            self._read(block)
            block *= 2

    def finish(self) -> None:
        """Refuse whatever follows the value."""
        if self.peek():
            self._refuse(json.JSONDecodeError("Extra data", self._text, self._at))

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or error.pos + _NEAR_END > len(self._text)

    def _read(self, characters: int) -> None:
        used = self._text[: self._at]
        self._lines += used.count("\n")
        self._column = len(used) - used.rfind("\n") - 1 if "\n" in used else self._column + len(used)
        more = self._file.read(characters)
        self._ended = not more
        self._text, self._at = self._text[self._at :] + more, 0

    def _refuse(self, error: json.JSONDecodeError) -> None:
        line = self._lines + error.lineno
        column = error.colno + (self._column if error.lineno == 1 else 0)
        before = (
            f"the {self.items:,} records before it can be read, but a list that is cut or broken is not half used; "
            if self.items
            else ""
        )
        raise SourceError(
            f"{self._place}, {fault_text(error, line, column)}; {before}mend that place or fetch the file again"
        ) from error
