"""Define the texts that a record format extracts from one object of a file, and helpers to read objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seodang.ingest.rows import shorten

_PREVIEW_CHARACTERS = 30  # characters of a text in a field error
_MAX_TASK_CHARACTERS = 60  # characters of a task name; a longer value is a text and would give each record its own task

RawRecord = Mapping[str, Any]

# Names of the column with the system text; the first one with a value is used.
SYSTEM_KEYS = (
    "system",
    "system_prompt",
    "system_message",
    "system_instruction",
    "sys_prompt",
    "시스템",
    "시스템 프롬프트",
)
_METADATA_KEYS = ("meta", "metadata", "extra", "info")


@dataclass(slots=True)
class Sample:
    """The texts of one row as they are in the file; a field may also hold another JSON value or a field error."""

    instruction: Any
    output: Any
    input: Any = ""
    system: Any = ""
    turns: list[dict[str, Any]] = field(default_factory=list)
    rejected: Any = ""
    desirable: bool | None = None
    url: str = ""
    task: str = ""
    choices: list[str] = field(default_factory=list)


Converter = Callable[[RawRecord], Iterable[Sample]]


def get_first(record: RawRecord, *keys: str) -> Any:
    """Return the first value among the keys that is not null; "" if there is none."""
    for key in keys:
        value = record.get(key)
        if value is not None:
            return value
    return ""


def get_system(record: RawRecord) -> Any:
    """Return the system text of a record, under any of its names; "" if there is none."""
    key = find_system_key(record)
    return get_nested(record, key) if key else ""


def find_system_key(record: RawRecord) -> str:
    """Return the key with the system text, which may lie in metadata: "meta.system_prompt"; "" if there is none."""
    for prefix, values in (("", record), *((f"{key}.", record.get(key)) for key in _METADATA_KEYS)):
        for key in SYSTEM_KEYS:
            value = values.get(key) if isinstance(values, Mapping) else None
            if value is not None and value != "" and (not prefix or isinstance(value, str)):
                return f"{prefix}{key}"
    return ""


def get_line(record: RawRecord, key: str) -> str:
    """Return the text under a key in one line, such as a URL; "" if there is no text."""
    value = record.get(key)
    return " ".join(value.split()) if isinstance(value, str) else ""


def get_task(record: RawRecord, key: str) -> str:
    """Return the task name under a key; "" if there is none or the text is too long for a name."""
    name = get_line(record, key)
    return name if len(name) <= _MAX_TASK_CHARACTERS else ""


def get_nested(record: RawRecord, key: str) -> Any:
    """Return the value of a key; a dot steps into an object or list: "raw.output", "answers.0.text".

    None if there is no value. A key that contains a dot takes precedence over a step.
    """
    if key in record:
        return record[key]
    value: Any = record
    for step in key.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def unwrap_single(value: object) -> object:
    """Return the only text or number of a list, as doccano writes a label: ["긍정"]; any other value as it is."""
    is_single = isinstance(value, list) and len(value) == 1 and isinstance(value[0], str | int | float)
    return value[0] if is_single and isinstance(value, list) else value


def describe_value(value: object) -> str:
    """Return an English description of a value for a field error: the beginning of a text, or the JSON type."""
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
    """Return a value as JSON; its type if it is nested too deeply."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return describe_value(value)
