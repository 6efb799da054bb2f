"""Hold what a record says about itself, and iterate over the values that may say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from seodang.ingest.formats import mark_words as words
from seodang.ingest.formats.mark_names import normalize_name
from seodang.ingest.formats.sample import RawRecord
from seodang.ingest.rows import shorten

_FOUND_CHARACTERS: Final = 60  # characters of a value in a mark
_MAX_DEPTH: Final = 3  # levels of objects inside one another


@dataclass(slots=True)
class Marks:
    """What one record says about itself."""

    findings: dict[str, str] = field(default_factory=dict)  # rule -> key and value
    is_held_out: bool = False  # the record belongs to a test or validation split
    read_keys: set[str] = field(default_factory=set)  # keys whose values were understood

    def add(self, rule: str, key: str, value: object) -> None:
        """Add a finding; the first one of a rule stays."""
        self.findings.setdefault(rule, f"{key}: {shorten(value, _FOUND_CHARACTERS)}")


def iter_values(record: RawRecord, used_keys: frozenset[str]) -> Iterator[tuple[str, str, Any]]:
    """Yield key, normalized name and value of each key that may be a mark, also inside metadata."""
    for key, value in record.items():
        if key in used_keys or value is None or value == "":
            continue
        name = normalize_name(key)
        if is_annotation(value) or not _holds_objects(value):
            yield key, name, value
        elif name in words.NESTED_KEYS or name.rpartition("_")[2] in words.NESTED_KEYS:
            yield from _iter_inner_values(key, value, _MAX_DEPTH)


def _iter_inner_values(path: str, value: Any, levels: int) -> Iterator[tuple[str, str, Any]]:
    """Yield the path, the normalized name and the value of each key in an object, or in a list of objects."""
    for item in value if isinstance(value, list) else [value]:
        for key, inner in item.items() if isinstance(item, Mapping) else ():
            if inner is None or inner == "":
                continue
            if not _holds_objects(inner):
                yield f"{path}.{key}", normalize_name(str(key)), inner
            elif levels > 1:
                yield from _iter_inner_values(f"{path}.{key}", inner, levels - 1)


def _holds_objects(value: object) -> bool:
    return any(isinstance(item, Mapping) for item in (value if isinstance(value, list) else [value]))


def is_annotation(value: object) -> bool:
    """Return whether a value is a list of annotators' answers, as Argilla exports it."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, Mapping) and "value" in item and {"user_id", "status"} & set(item) for item in value)
    )
