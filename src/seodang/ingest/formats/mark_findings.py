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
        items = value if isinstance(value, list) and not is_annotation(value) else [value]
        if not any(isinstance(item, Mapping) for item in items) or (isinstance(value, list) and is_annotation(value)):
            yield key, name, value
        elif name in words.NESTED_KEYS:
            for item in items:
                for inner_key, inner_value in item.items() if isinstance(item, Mapping) else ():
                    if inner_value is not None and inner_value != "":
                        yield f"{key}.{inner_key}", normalize_name(str(inner_key)), inner_value


def is_annotation(value: object) -> bool:
    """Return whether a value is a list of annotators' answers, as Argilla exports it."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, Mapping) and "value" in item and {"user_id", "status"} & set(item) for item in value)
    )
