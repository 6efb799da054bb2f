"""Convert the values of a list, or of the lines of a file, into objects; other values become malformed rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from seodang.i18n import Message
from seodang.ingest.readers.json_errors import EXAMPLE_OBJECT, DuplicateKey, describe_type, format_duplicate_key
from seodang.ingest.readers.json_layout import RECORD_KEYS, holds_conversation
from seodang.ingest.rows import make_malformed_row, shorten

# Keys of a row as the server of the Hugging Face hub gives it.
_SERVED_KEYS: Final = frozenset(("row_idx", "row", "truncated_cells"))
_EXAMPLE_NAMES: Final = '["instruction", "output"]'


@dataclass(slots=True)
class ItemConverter:
    """Converts the values of one file; the first list of texts may name the columns of the lists after it."""

    unit: Literal["item", "line"]
    names: list[str] = field(default_factory=list)  # columns of the lists, if the first list names them

    def convert(self, value: Any, text: str, number: int) -> dict[str, Any] | None:
        """Return the object or malformed row of a value; None for the list with the names of the columns.

        Args:
            value: The JSON value, or a DuplicateKey.
            text: The value as it is in the file.
            number: Number of the item or line, from 1.

        """
        if isinstance(value, dict):
            return self._unwrap_served_row(value, text, number) if value.keys() == _SERVED_KEYS else value
        if isinstance(value, DuplicateKey):
            return self._reject(text, number, format_duplicate_key(value))
        if holds_conversation(value):
            return {"messages": value}
        if isinstance(value, list) and self.names:
            return self._name_cells(value, text, number)
        if isinstance(value, list) and number == 1 and _is_header(value):
            self.names = value
            return None
        return make_malformed_row(text, self._describe(value, number))

    def _unwrap_served_row(self, value: dict[str, Any], text: str, number: int) -> dict[str, Any]:
        row, truncated = value["row"], value["truncated_cells"]
        if truncated:
            problem = Message(
                "the server cut the cells {names}; fetch the file of the data set itself",
                {"names": shorten(", ".join(map(str, truncated)), 40)},
            )
            return self._reject(text, number, problem)
        return row if isinstance(row, dict) else make_malformed_row(text, self._describe(row, number))

    def _name_cells(self, cells: list[Any], text: str, number: int) -> dict[str, Any]:
        if len(cells) != len(self.names):
            counts = {"cells": len(cells), "names": len(self.names)}
            return self._reject(
                text, number, Message("the length of the list is {cells}, that of the first one {names}", counts)
            )
        return dict(zip(self.names, cells, strict=True))

    def _reject(self, text: str, number: int, problem: Message) -> dict[str, Any]:
        reason = (
            Message("item {number}: {problem}", {"number": number, "problem": problem})
            if self.unit == "item"
            else Message("line {line}: {problem}", {"line": number, "problem": problem})
        )
        return make_malformed_row(text, reason)

    def _describe(self, value: Any, number: int) -> Message:
        values = {
            "number": number,
            "line": number,
            "type": describe_type(value),
            "value": shorten(value, 40),
            "example": EXAMPLE_OBJECT,
            "names": _EXAMPLE_NAMES,
        }
        if isinstance(value, list):
            return (
                Message(
                    "item {number} is {type} ({value}), expected an object: {example}; or put a list with the names of"
                    " the columns first: {names}",
                    values,
                )
                if self.unit == "item"
                else Message(
                    "line {line} is {type} ({value}), expected an object: {example}; or put a line with the names of"
                    " the columns first: {names}",
                    values,
                )
            )
        return (
            Message("item {number} is {type} ({value}), expected an object: {example}", values)
            if self.unit == "item"
            else Message("line {line} is {type} ({value}), expected an object: {example}", values)
        )


def _is_header(value: list[Any]) -> bool:
    """Return whether a list names columns: distinct texts, at least one of them a key of a known format."""
    return (
        len(value) > 1
        and all(isinstance(name, str) for name in value)
        and len({*value}) == len(value)
        and not RECORD_KEYS.isdisjoint(name.strip().lower() for name in value)
    )
