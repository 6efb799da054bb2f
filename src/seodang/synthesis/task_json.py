"""Tasks in JSON: the schema for a teacher with structured output, and a parser for any reply. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from seodang.synthesis.tasks import BrokenTask, Field, ParsedReply, ParsedTask, clean_text, find_blank_fields

TASKS_KEY: Final = "tasks"
NUMBER_KEY: Final = "number"
_BEGINNING: Final = re.compile(r"\ufeff?\s*(?:(?:```|~~~)\w*\s*)?(?=[\[{])")
_LIST: Final = re.compile(r"(?:\{\s*\"\w*\"\s*:\s*)?\[")
_BETWEEN: Final = re.compile(r"[\s,]*")
_MAX_DIGITS: Final = 10
_DECODER: Final = json.JSONDecoder(strict=False)  # a teacher may leave a line break in a text unescaped


def build_schema(fields: Sequence[Field], *, is_numbered: bool) -> dict[str, Any]:
    """Return the JSON schema of a list of tasks.

    Args:
        fields: Of a task; all are texts, and "" stands for none.
        is_numbered: Whether a task repeats the number under which it was given.
    """
    properties: dict[str, Any] = {NUMBER_KEY: {"type": "integer"}} if is_numbered else {}
    properties |= {field.name: {"type": "string"} for field in fields}
    task = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {TASKS_KEY: {"type": "array", "items": task}},
        "required": [TASKS_KEY],
        "additionalProperties": False,
    }


def is_json(text: str) -> bool:
    """Return whether a reply begins with a JSON object or list, or with a code block that does."""
    return _BEGINNING.match(text) is not None


def parse_task_json(text: str, fields: tuple[Field, ...], *, first: int, is_cut: bool) -> ParsedReply:
    """Return the tasks of a reply with JSON.

    Code blocks and text around the JSON are read over. Objects before an error or a cut are tasks.

    Args:
        text: The reply.
        fields: Of a task; other keys are ignored.
        first: Number of the first task where the reply has no numbers.
        is_cut: Whether the reply ended at the maximum number of tokens.
    """
    tasks: list[ParsedTask] = []
    broken: list[BrokenTask] = []
    names = (TASKS_KEY, NUMBER_KEY, *(field.name for field in fields))
    for position, (value, raw) in enumerate(_iter_objects(text, names)):
        if value is None:
            broken.append(
                BrokenTask(reason="cut" if is_cut else "unparsable", detail="no complete JSON object", raw=raw)
            )
            continue
        texts = _read_texts(value, fields)
        number = _read_number(value.get(NUMBER_KEY, first + position))
        if blank := find_blank_fields(fields, texts):
            detail = f"object {position + 1} has no text under {', '.join(blank)}"
            broken.append(BrokenTask(reason="incomplete", detail=detail, raw=raw, number=number))
        elif number is None:
            detail = f"object {position + 1} has no number under {NUMBER_KEY}"
            broken.append(BrokenTask(reason="incomplete", detail=detail, raw=raw))
        else:
            tasks.append(ParsedTask(number=number, texts=texts, raw=raw))
    return ParsedReply(tasks=tuple(tasks), broken=tuple(broken))


def _read_texts(value: Mapping[str, Any], fields: Sequence[Field]) -> dict[str, str]:
    """Return the texts of an object; null stands for none, as "" does."""
    texts: dict[str, str] = {}
    for field in (field for field in fields if field.name in value):
        text = "" if value[field.name] is None and field.may_be_empty else value[field.name]
        if isinstance(text, str):
            texts[field.name] = clean_text(field, text)
    return texts


def _read_number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < _MAX_DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _iter_objects(text: str, names: Sequence[str]) -> Iterator[tuple[dict[str, Any] | None, str]]:
    """Yield the objects of a reply with their text; None for what is no object.

    JSON begins with the reply, or where an object begins with one of the names.
    """
    match = _BEGINNING.match(text)
    start = match.end() if match else _find_object(text, 0, names)
    while start is not None:
        value, end = _decode(text, start)
        if end is None:
            yield from _iter_complete_objects(text, start)
            return
        items = value.get(TASKS_KEY, [value]) if isinstance(value, dict) else value
        for item in items if isinstance(items, list) else [items]:
            yield (item if isinstance(item, dict) else None), json.dumps(item, ensure_ascii=False)
        start = _find_object(text, end, names)


def _find_object(text: str, position: int, names: Sequence[str]) -> int | None:
    """Return where the next object begins that has one of the names first; None where there is none."""
    match = re.compile(rf'\{{\s*"(?:{"|".join(names)})"\s*:').search(text, position)
    return match.start() if match else None


def _iter_complete_objects(text: str, start: int) -> Iterator[tuple[dict[str, Any] | None, str]]:
    """Yield the objects of a list that is not complete, then the rest of its text."""
    match = _LIST.match(text, start)
    position = match.end() if match else start
    while True:
        position = _skip(text, position)
        value, end = _decode(text, position)
        if end is None or not isinstance(value, dict):
            break
        yield value, text[position:end]
        position = end
    if rest := text[position:].strip():
        yield None, rest


def _decode(text: str, position: int) -> tuple[Any, int | None]:
    """Return the JSON value at a position and its end; no end where there is none."""
    try:
        return _DECODER.raw_decode(text, position)
    except (ValueError, RecursionError):
        return None, None


def _skip(text: str, position: int) -> int:
    match = _BETWEEN.match(text, position)
    return match.end() if match else position
