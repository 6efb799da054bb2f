"""Scan JSON text on demand: consumed text is released, so that memory holds one value, whatever the file size."""

from __future__ import annotations

import json
from typing import Any, Final, TextIO

from seodang.errors import SourceError
from seodang.i18n import N_, Message, _
from seodang.ingest.readers.json_errors import decode_value, format_decode_error, skip_whitespace
from seodang.ingest.readers.text import MAX_LINE_CHARACTERS

_BLOCK: Final = 2**18  # characters read at a time; doubled while one item needs more
_NEAR_END: Final = 16  # an error this close to the end of the buffer may be a cut: \ud83d\ude00 has 12 characters


class JsonScanner:
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
