"""What a record format makes of one object of a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seodang.ingest.rows import shorten

_PREVIEW_CHARACTERS = 30  # characters of a text in a fault
_MAX_TASK_CHARACTERS = (
    60  # characters of a task's name; what is longer is a text, and would make a task of its own of each record
)

RawRecord = Mapping[str, Any]


@dataclass(slots=True)
class Sample:
    """The texts of one row, as they were found; what is no text, or a fault(), stands where it was found."""

    instruction: Any
    output: Any
    input: Any = ""
    system: Any = ""
    turns: list[dict[str, str]] = field(default_factory=list)
    rejected: Any = ""
    desirable: bool | None = None
    url: str = ""
    task: str = ""
    choices: list[str] = field(default_factory=list)


Converter = Callable[[RawRecord], Iterable[Sample]]


def get_first(record: RawRecord, *keys: str) -> Any:
    """Return the value of the first key that has one; "" when none has."""
    for key in keys:
        value = record.get(key)
        if value is not None:
            return value
    return ""


def get_line(record: RawRecord, key: str) -> str:
    """Return the text under a key in one line, such as an address; "" when there is no text."""
    value = record.get(key)
    return " ".join(value.split()) if isinstance(value, str) else ""


def get_task(record: RawRecord, key: str) -> str:
    """Return the name of a task under a key; "" when there is none, or a text too long for a name."""
    name = get_line(record, key)
    return name if len(name) <= _MAX_TASK_CHARACTERS else ""


def get_nested(record: RawRecord, key: str) -> Any:
    """Return the value of a key; a dot steps into an object: "raw.output". None when there is none.

    A key that itself has a dot goes before a step.
    """
    if key in record:
        return record[key]
    value: Any = record
    for step in key.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def describe_value(value: object) -> str:
    """Return a value for a message: a text's beginning, a number, or what else it is."""
    if isinstance(value, str):
        return shorten(value, _PREVIEW_CHARACTERS) if value.strip() else "blank text"
    names: dict[type, str] = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "nothing")


def dump_json(value: object) -> str:
    """Return a value as JSON; what is nested too deeply for it is only named."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return describe_value(value)
