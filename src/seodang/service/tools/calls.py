"""Read calls of tools in the text of an answer, as it arrives."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from seodang.service.tools.call_format import ID_LENGTH, Delimiter, ToolFormat

_ID_CHARACTERS: Final = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class CallDelta:
    """What a part of an answer adds to a call."""

    index: int
    """Of the call in the answer, from 0."""
    id: str | None = None
    """With the first delta of a call only."""
    name: str | None = None
    """With the first delta of a call only."""
    arguments: str = ""


class ToolCallReader:
    """Splits the text of one answer into content and calls. The parts, joined, are independent of where they end."""

    def __init__(self, format: ToolFormat, *, is_required: bool) -> None:
        """Create a reader.

        Args:
            format: How the model writes calls, without its control tokens, which have no text.
            is_required: Whether the answer has calls only.
        """
        self._begin, self._middle, self._end = map(Delimiter, (format.begin, format.middle, format.end))
        self._separator = None if format.separator is None else Delimiter(format.separator)
        self._has_marker = format.has_marker
        self._is_required = is_required
        self._has_text = False
        self._held = ""
        self._state = "text"
        self._scanner = JsonScanner()
        self.calls = 0
        """Number of calls that have begun."""
        self.is_inside = False
        """Whether the arguments of a call are incomplete."""

    def push(self, text: str, *, is_end: bool) -> Iterator[str | CallDelta]:
        """Yield what a part adds: content, or a part of a call.

        Args:
            text: Of the part.
            is_end: Whether it is the last part of the answer.
        """
        self._held += text
        while (item := self._read(is_end=is_end)) is not None:
            if item:
                yield item

    def _read(self, *, is_end: bool) -> str | CallDelta | None:
        """Return the next piece of what is held; "" if there may be more, None if more text must arrive."""
        if not self._held:
            return None
        if self._state == "text":
            return self._read_text(is_end=is_end)
        if self._state == "name":
            return self._read_name()
        if self._state == "arguments":
            return self._read_arguments()
        return self._read_end(is_end=is_end)

    def _read_text(self, *, is_end: bool) -> str | None:
        start = self._begin.find(self._held)
        if not self._has_marker and (self._has_text or start != 0):  # where a call begins with a brace, text is no call
            start = None
        if start is not None and self._begin.stands_at(self._held, start):
            before, self._held = self._held[:start], self._held[start + len(self._begin) :]
            self._state = "name"
            return before.rstrip()
        if is_end:
            text, self._held = self._held, ""
            return None if self._is_required else text  # a call that is cut in its beginning is no text
        # What may begin a call waits, and so do blanks, which are no content before a call.
        text = self._held[:start].rstrip()
        self._held = self._held[len(text) :]
        self._has_text = self._has_text or bool(text)
        return text or None

    def _read_name(self) -> CallDelta | None:
        start = self._middle.find(self._held)
        if start is None or not self._middle.stands_at(self._held, start):
            return None
        name, self._held = self._held[:start], self._held[start + len(self._middle) :]
        self._state = "arguments"
        self._scanner = JsonScanner()
        self.is_inside = True
        self.calls += 1
        call_id = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(ID_LENGTH))
        return CallDelta(self.calls - 1, call_id, name)

    def _read_arguments(self) -> CallDelta:
        count = self._scanner.scan(self._held)
        arguments, self._held = self._held[:count], self._held[count:]
        if self._scanner.is_complete:
            self._state, self.is_inside = "end", False
        return CallDelta(self.calls - 1, arguments=arguments)

    def _read_end(self, *, is_end: bool) -> str | None:
        separator = self._separator
        if separator is not None and separator.stands_at(self._held):
            self._held, self._state = self._held[len(separator) :], "name"
            return ""
        if separator is not None and separator.may_stand_at(self._held) and not is_end:
            return None
        if self._end.stands_at(self._held) and len(self._held) > len(self._end):
            self._held, self._state = self._held[len(self._end) :].lstrip(), "text"
            return ""
        return None


class JsonScanner:
    """Finds the end of a JSON object in a text that arrives in parts."""

    def __init__(self) -> None:
        self.is_complete = False
        self._depth = 0
        self._is_string = False
        self._is_escaped = False

    def scan(self, text: str) -> int:
        """Return the number of characters of a part that belong to the object."""
        for index, character in enumerate(text):
            if self._is_escaped:
                self._is_escaped = False
            elif self._is_string:
                self._is_escaped = character == "\\"
                self._is_string = character != '"'
            elif character == '"':
                self._is_string = True
            else:
                self._depth += (character in "{[") - (character in "}]")
                if self._depth == 0:
                    self.is_complete = True
                    return index + 1
        return len(text)
