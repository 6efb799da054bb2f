"""How a model writes calls of tools."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

ID: Final = "\ue002"  # for private use: no template gives it a meaning
"""Stands in a text of a format for the id of a call."""
ID_LENGTH: Final = 9  # Mistral's chat template takes ids of nine letters and digits only
_MARKER: Final = re.compile(rf"(?:\[[A-Z_]+\]|[^\n{{\[{ID}])+")


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """The texts around a call's name and its arguments, which are JSON."""

    begin: str
    """Before the name of the first call."""
    middle: str
    """Between the name and the arguments."""
    separator: str | None
    """Between the arguments of a call and the name of the next one; None: an answer has one call."""
    end: str
    """After the arguments of the last call."""

    @property
    def has_marker(self) -> bool:
        """Return whether text may stand before a call."""
        return self.find_trigger() not in ("{", "[", "")

    def find_trigger(self, controls: Collection[str] = ()) -> str:
        """Return what a call begins with: a control token, a marker, or the brace of its JSON."""
        control = max((each for each in controls if self.begin.startswith(each)), key=len, default="")
        match = _MARKER.match(self.begin)
        return control or (match[0].rstrip() if match else self.begin[:1])


class Delimiter:
    """A text of a format in an answer that arrives in parts; an id in it may be any."""

    def __init__(self, text: str) -> None:
        self._characters = text.replace(ID, ID * ID_LENGTH)

    def __len__(self) -> int:
        return len(self._characters)

    def find(self, text: str) -> int | None:
        """Return where the delimiter begins, or where it may begin if more text arrives; None for nowhere."""
        return next((start for start in range(len(text)) if self._agrees(text, start)), None)

    def stands_at(self, text: str, start: int = 0) -> bool:
        """Return whether the complete delimiter stands at a position."""
        return len(text) - start >= len(self) and self._agrees(text, start)

    def may_stand_at(self, text: str) -> bool:
        """Return whether the text is a beginning of the delimiter."""
        return len(text) < len(self) and self._agrees(text, 0)

    def _agrees(self, text: str, start: int) -> bool:
        pairs = zip(text[start : start + len(self)], self._characters, strict=False)
        return all(
            character == expected or (expected == ID and character.isascii() and character.isalnum())
            for character, expected in pairs
        )
