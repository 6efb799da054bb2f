"""What a record format makes of one object of a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from seodang.ingest.rows import shown

_SHOWN = 30  # characters of a text in a fault
_TASK = 60  # characters of a task's name; what is longer is a text, and would make a task of its own of each record

Found = Mapping[str, Any]


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


Convert = Callable[[Found], Iterable[Sample]]


def given(found: Found, *keys: str) -> Any:
    """Return the value of the first key that has one; "" when none has."""
    for key in keys:
        value = found.get(key)
        if value is not None:
            return value
    return ""


def name_in(found: Found, key: str) -> str:
    """Return the text under a key in one line, such as an address; "" when there is no text."""
    value = found.get(key)
    return " ".join(value.split()) if isinstance(value, str) else ""


def task_in(found: Found, key: str) -> str:
    """Return the name of a task under a key; "" when there is none, or a text too long for a name."""
    name = name_in(found, key)
    return name if len(name) <= _TASK else ""


def stepped(found: Found, key: str) -> Any:
    """Return the value of a key; a dot steps into an object: "raw.output". None when there is none.

    A key that itself has a dot goes before a step.
    """
    if key in found:
        return found[key]
    value: Any = found
    for step in key.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def named(value: object) -> str:
    """Return a value for a message: a text's beginning, a number, or what else it is."""
    if isinstance(value, str):
        return shown(value, _SHOWN) if value.strip() else "blank text"
    names: dict[type, str] = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "nothing")


def written(value: object) -> str:
    """Return a value as JSON; what is nested too deeply for it is only named."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return named(value)
