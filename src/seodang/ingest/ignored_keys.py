"""Count the keys of a source that no field of a record holds, with the share of rows and a sample of their values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from seodang.ingest.formats.messages import MESSAGE_KEYS, holds_messages, unpack_messages
from seodang.ingest.rows import shorten

_SAMPLE_CHARACTERS: Final = 60
_MAX_VALUES: Final = 4  # distinct values that are counted
_TEXT_CHARACTERS: Final = 20  # a longer text of several words is content, not a label or an id


@dataclass(slots=True)
class IgnoredKey:
    """Use of one ignored key."""

    rows: int = 0  # records with a value under the key
    sample: str = ""  # the first value; the first long text, if there is one
    holds_text: bool = False  # whether a value is a long text
    numbers: int = 0  # values that are numbers
    values: dict[str, int] = field(default_factory=dict)  # records by short value, of the first few distinct ones
    lowest: float = math.inf  # of the numbers
    highest: float = -math.inf

    def add(self, value: object) -> None:
        """Count one value."""
        self.rows += 1
        is_text = isinstance(value, str) and len(value) > _TEXT_CHARACTERS and len(value.split(maxsplit=1)) > 1
        if not self.sample or (is_text and not self.holds_text):
            self.sample = shorten(value, _SAMPLE_CHARACTERS)
        self.holds_text |= is_text
        if isinstance(value, str | int | float):
            name = shorten(value, _TEXT_CHARACTERS)
            if name in self.values or len(self.values) < _MAX_VALUES:
                self.values[name] = self.values.get(name, 0) + 1
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            self.numbers += 1
            self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)


@dataclass(slots=True)
class IgnoredKeys:
    """Ignored keys of some files."""

    records: int = 0
    by_name: dict[str, IgnoredKey] = field(default_factory=dict)

    def add_record(self, record: Mapping[str, Any], used_keys: Iterable[str]) -> None:
        """Count the ignored keys of one record, and those of its messages as "messages[].name"."""
        self.records += 1
        used = used_keys if isinstance(used_keys, frozenset | set) else {*used_keys}
        values: dict[str, Any] = {}
        for key, value in record.items():
            if key not in used:
                if isinstance(value, Mapping):  # a key inside metadata may have been used
                    value = {name: inner for name, inner in value.items() if f"{key}.{name}" not in used}
                if has_value(value):
                    values[key] = value
            elif isinstance(value, list | str):
                for name, inner in _iter_inner_values(value):
                    if f"{key}[].{name}" not in used:
                        values.setdefault(f"{key}[].{name}", inner)
        for name, value in values.items():
            self.by_name.setdefault(name, IgnoredKey()).add(value)

    def list_names(self) -> list[str]:
        """Return the names of the ignored keys, sorted."""
        return sorted(self.by_name)

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Return rows, share of rows and a sample by key; the most frequent key first."""
        ordered = sorted(self.by_name.items(), key=lambda item: (-item[1].rows, item[0]))
        return {
            name: {
                "rows": key.rows,
                "share": round(key.rows / self.records, 4),
                "sample": key.sample,
                "holds_text": key.holds_text,
            }
            for name, key in ordered
        }


def has_value(value: object) -> bool:
    """Return whether a value is neither null nor an empty text, list or object."""
    return value is not None and value != "" and value != [] and value != {}


def _iter_inner_values(value: object) -> Iterator[tuple[str, Any]]:
    """Yield the ignored keys of the objects in a list, such as reasoning_content beside content."""
    items = unpack_messages(value) if holds_messages(value) else []
    for item in items if isinstance(items, list) else ():
        for name, inner in item.items():
            if name.strip().lower() not in MESSAGE_KEYS and has_value(inner):
                yield name, inner
