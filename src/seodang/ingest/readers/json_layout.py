"""Find where one JSON object holds its records: in a list, under ids, by column, or it is a record itself.

Only the beginning of a large file is known, so the layout is found in the part of the object that is complete there.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from seodang.ingest.readers.json_errors import decode_value

TRAINING_KEYS: Final = frozenset(("train", "training"))
HELD_OUT_KEYS: Final = frozenset(("test", "validation", "valid", "val", "dev", "eval"))
LIST_KEYS: Final = (
    frozenset(("data", "records", "examples", "rows", "items", "samples", "dataset", "result", "results"))
    | TRAINING_KEYS
    | HELD_OUT_KEYS
)
# Keys that only a record has: an object with one of them does not hold other records.
RECORD_KEYS: Final = frozenset(
    (
        *("instruction", "output", "input", "question", "answer", "prompt", "completion", "response", "query"),
        *("chosen", "rejected", "messages", "conversations", "conversation", "contents", "turns", "text", "content"),
        *("questions", "outputs", "answers", "instances", "context", "document", "q", "a", "label", "fields"),
        *("system", "history", "source", "target", "role", "from", "value", "preferred_output"),
        *("질문", "질의", "물음", "문제", "지시문", "지시", "답변", "답", "대답", "응답", "정답", "출력", "입력"),
    )
)
_CONVERSATION_KEYS: Final = ("conversations", "conversation", "messages", "dialogues", "dialogs", "chats")
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]', re.DOTALL)
_MANY: Final = 3  # members of an object on one line of a .jsonl file from which on they are records
_MAX_DEPTH: Final = 4  # levels of wrappers


@dataclass(frozen=True, slots=True)
class JsonLayout:
    """Where an object holds its records."""

    kind: Literal["list", "members", "columns", "split"]
    path: tuple[str, ...] = ()  # keys from the object down to the list or object that holds the records


def parse_beginning(text: str) -> object:
    """Return the JSON value at the start of a text, without the parts that are incomplete or malformed; else None."""
    try:
        return decode_value(text)[0]
    except json.JSONDecodeError as error:
        end, closing = _find_complete_part(text[: max(error.pos, 1)] if _is_syntax_error(error, text) else text)
    try:
        return decode_value(text[:end] + closing)[0]
    except json.JSONDecodeError:
        return None


def find_layout(value: Mapping[str, Any], *, is_complete: bool, is_line: bool = False) -> JsonLayout | None:
    """Return the layout of an object; None if it is a record itself.

    Args:
        value: The object, or the part of it that is known.
        is_complete: Whether the object is known completely.
        is_line: Whether it stands on a line of a .jsonl file, which holds a record as a rule.

    """
    layout = _find_layout(value, (), is_complete=is_complete)
    return None if layout and is_line and not _has_known_keys(value, layout) else layout


def holds_conversation(value: object) -> bool:
    """Return whether a value is a list of messages."""
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _has_known_keys(value: Any, layout: JsonLayout) -> bool:
    """Return whether known keys confirm the layout of an object that could also be an unusual record."""
    for key in layout.path:
        value = value[key]
    match layout.kind:
        case "list" | "split":
            return layout.path == () or layout.path[-1] in {*LIST_KEYS, *_CONVERSATION_KEYS}
        case "columns":
            return not RECORD_KEYS.isdisjoint(value)
        case "members":
            members = [inner for inner in value.values() if isinstance(inner, dict)]
            is_known = len(members) < len(value) or any(not RECORD_KEYS.isdisjoint(inner) for inner in members)
            return is_known and (len(value) >= _MANY or all(key.isdecimal() for key in value))


def _is_syntax_error(error: json.JSONDecodeError, text: str) -> bool:
    return not error.msg.startswith("Unterminated string") and error.pos < len(text)


def _find_complete_part(text: str) -> tuple[int, str]:
    """Return the end of the last complete value in a text, and the brackets that close what is open there."""
    stack: list[str] = []
    end, closing = 0, ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in "{[":
            stack.append("}" if token == "{" else "]")
        elif token in "}]":
            if not stack:
                break
            stack.pop()
        elif token != ",":
            continue
        end = match.start() if token == "," else match.end()
        closing = "".join(reversed(stack))
    return end, closing


def _find_layout(value: Mapping[str, Any], path: tuple[str, ...], *, is_complete: bool) -> JsonLayout | None:
    if _is_split(value):
        return JsonLayout("split", path)
    if _is_by_column(value, is_complete=is_complete):
        return JsonLayout("columns", path)
    if key := next((key for key in _CONVERSATION_KEYS if _holds_conversations(value.get(key))), None):
        return JsonLayout("list", (*path, key))
    if any(key.strip().lower() in RECORD_KEYS and not _may_be_record(inner) for key, inner in value.items()):
        return None
    if layout := _find_wrapped(value, path, is_complete=is_complete):
        return layout
    if _is_by_id(value, is_complete=is_complete):
        return JsonLayout("members", path)
    lists = [key for key, inner in value.items() if _holds_records(inner)]
    return JsonLayout("list", (*path, lists[0])) if len(lists) == 1 else None


def _may_be_record(value: object) -> bool:
    """Return whether the value of a known key may be a record, so that the key is an id: {"a": {"question": ...}}."""
    return isinstance(value, dict) and not RECORD_KEYS.isdisjoint({*value} - {"role", "content", "from", "value"})


def _find_wrapped(value: Mapping[str, Any], path: tuple[str, ...], *, is_complete: bool) -> JsonLayout | None:
    """Return the layout of the value under one of LIST_KEYS that holds records."""
    for key, inner in value.items():
        if key not in LIST_KEYS:
            continue
        if isinstance(inner, list) and (not inner or isinstance(inner[0], dict | list)):
            return JsonLayout("list", (*path, key))
        if isinstance(inner, dict) and len(path) < _MAX_DEPTH:
            layout = _find_layout(inner, (*path, key), is_complete=is_complete)
            if layout:
                return layout
    return None


def _is_split(value: Mapping[str, Any]) -> bool:
    """Return whether an object is what pandas writes with orient="split"."""
    columns = value.get("columns")
    return (
        {"columns", "data"} <= value.keys() <= {"columns", "index", "data"}
        and isinstance(columns, list)
        and all(isinstance(name, str) for name in columns)
        and isinstance(value["data"], list)
        and all(isinstance(row, list) for row in value["data"])
    )


def _is_by_column(value: Mapping[str, Any], *, is_complete: bool) -> bool:
    """Return whether an object holds a table by column: lists of equal length, or objects with numbers as keys."""
    if value and all(isinstance(column, dict) and column and _has_numbers(column) for column in value.values()):
        return True
    if {"questions", "outputs"} <= value.keys() or {"questions", "answers"} <= value.keys():
        return False  # a record of format dialogue
    columns = list(value.values())
    if len(columns) < (2 if is_complete else 1) or not all(isinstance(column, list) for column in columns):
        return False
    lengths = {len(column) for column in columns}
    is_even = len(lengths) == 1 and 0 not in lengths
    return (is_even or not is_complete) and all(_is_cell(cell) for column in columns for cell in column)


def _has_numbers(column: Mapping[str, Any]) -> bool:
    return all(key.isdecimal() for key in column) and not any(
        isinstance(cell, dict) and not RECORD_KEYS.isdisjoint(cell) for cell in column.values()
    )


def _is_cell(value: object) -> bool:
    return value is None or isinstance(value, str | int | float) or holds_conversation(value)


def _is_by_id(value: Mapping[str, Any], *, is_complete: bool) -> bool:
    """Return whether the members of an object are records: objects with a common key, or lists of messages."""
    records = [inner for inner in value.values() if isinstance(inner, dict) and inner]
    conversations = [inner for inner in value.values() if holds_conversation(inner)]
    count = max(len(records), len(conversations))
    if count < (2 if is_complete else 1) or count * 2 <= len(value):
        return False
    if len(conversations) == count:
        return True
    return Counter(key for record in records for key in record).most_common(1)[0][1] * 2 > len(records)


def _holds_conversations(value: object) -> bool:
    """Return whether a value is a list of conversations: lists of messages, or records with messages."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            holds_conversation(item)
            or (isinstance(item, dict) and not _is_message(item) and not RECORD_KEYS.isdisjoint(item))
            for item in value
        )
    )


def _holds_records(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and any(key.strip().lower() in ("role", "from") for key in _iter_names(value))


def _iter_names(value: Mapping[Any, Any]) -> Iterator[str]:
    return (key for key in value if isinstance(key, str))
