"""Read the messages of a conversation: their roles, texts, tool calls, and whether a model may learn them."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from seodang.ingest.formats.loss_flags import FLAG_KEYS, LossFlagError, read_loss_flag
from seodang.ingest.formats.sample import RawRecord, describe_value, dump_json, get_first
from seodang.ingest.rows import LOSS_UNCLEAR, MEDIA_PART, TURNS_BROKEN, make_field_error, shorten

_ROLES: Final = {
    **dict.fromkeys(("user", "human", "prompter", "사용자"), "user"),
    **dict.fromkeys(
        ("assistant", "gpt", "chatgpt", "bing", "bard", "bot", "chatbot", "model", "ai", "어시스턴트", "챗봇"),
        "assistant",
    ),
    **dict.fromkeys(("system", "developer", "시스템"), "system"),
    **dict.fromkeys(("tool_call", "tool_calls", "function_call"), "tool_call"),
    **dict.fromkeys(("tool", "observation", "function", "function_response", "tool_response", "ipython"), "tool"),
}
_ROLE_KEYS: Final = ("role", "from")
_CONTENT_KEYS: Final = ("content", "value")
_CALL_KEYS: Final = ("tool_calls", "function_call")
MESSAGE_KEYS: Final = frozenset({*_ROLE_KEYS, *_CONTENT_KEYS, *_CALL_KEYS, *FLAG_KEYS})  # keys that are read
_TEXT_PARTS: Final = frozenset({"text", "input_text", "output_text"})
_MEDIA_TYPES: Final = ("image", "audio", "video", "file")  # prefixes of part types: image_url, input_audio, ...
_MAX_LITERAL_CHARACTERS: Final = 2**20  # a longer text is not parsed as a list that Python printed


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `content` is a text or a field error."""

    role: str
    content: Any
    learned: bool = True  # False: an answer that the source excludes from the loss


def parse_messages(value: object) -> list[Message]:
    """Return the messages in a list; an invalid item becomes a message with a field error."""
    items = unpack_messages(value)
    if not isinstance(items, list):
        return [Message("", make_field_error(TURNS_BROKEN, f"no list of messages: {describe_value(items)}"))]
    return [message for number, item in enumerate(items, start=1) for message in _iter_messages(item, number)]


def unpack_messages(value: object) -> object:
    """Return the list of messages that a value holds in another form; any other value as it is.

    The forms are JSON in a text, a list that Python printed, a single message, and one list for each key of the
    messages. The datasets library stores the last form.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        value = _parse_text(value)
    if isinstance(value, dict) and value:
        if all(isinstance(column, list) for column in value.values()):
            columns = list(value.values())
            is_complete = len({len(column) for column in columns}) == 1
            return (
                [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)] if is_complete else value
            )
        if _has_role(value):
            return [value]
    return value


def holds_messages(value: object) -> bool:
    """Return whether a value is a list of messages in any form."""
    items = unpack_messages(value)
    return isinstance(items, list) and bool(items) and all(isinstance(item, dict) and _has_role(item) for item in items)


def apply_loss_flags(messages: list[Message], record: RawRecord) -> list[Message]:
    """Return the messages with the record's own list of flags applied, one flag for each message: loss_mask: [0, 1]."""
    for key in FLAG_KEYS:
        flags = record.get(key)
        if not isinstance(flags, list) or not flags:
            continue
        if len(flags) != len(messages):
            found = f"{key} has {len(flags)} flags for {len(messages)} messages"
            return [Message("", make_field_error(LOSS_UNCLEAR, found))]
        messages = [_apply_flag(message, key, flag) for message, flag in zip(messages, flags, strict=True)]
    return messages


def _apply_flag(message: Message, key: str, flag: object) -> Message:
    try:
        learned = read_loss_flag({key: flag})
    except LossFlagError as error:
        return Message("", make_field_error(LOSS_UNCLEAR, f"{error} for a message"))
    return replace(message, learned=message.learned and learned) if _is_answer(message.role) else message


def _is_answer(role: str) -> bool:
    return role in {"assistant", "tool_call"}


def _parse_text(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > _MAX_LITERAL_CHARACTERS:
        return text
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _has_role(item: Mapping[str, Any]) -> bool:
    return any(key.strip().lower() in _ROLE_KEYS for key in item if isinstance(key, str))


def _fold_keys(item: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its keys in lower case, unless it has a known key for its role."""
    if any(key in item for key in _ROLE_KEYS):
        return item
    return {str(key).strip().lower(): value for key, value in item.items()}


def _iter_messages(item: object, number: int) -> Iterator[Message]:
    """Yield the message of one object; two messages if the assistant answers and calls a tool."""
    if not isinstance(item, dict):
        yield Message("", make_field_error(TURNS_BROKEN, f"message {number} is no object: {describe_value(item)}"))
        return
    message = _fold_keys(item)
    role_value = get_first(message, *_ROLE_KEYS)
    role = _ROLES.get(role_value.strip().lower()) if isinstance(role_value, str) else None
    if role is None:
        yield Message("", make_field_error(TURNS_BROKEN, _describe_unknown_role(item, role_value, number)))
        return
    try:
        learned = not _is_answer(role) or read_loss_flag(message)
    except LossFlagError as error:
        yield Message("", make_field_error(LOSS_UNCLEAR, f"message {number}: {error}"))
        return
    calls = get_first(message, *_CALL_KEYS)
    content = get_first(message, *_CONTENT_KEYS) or get_first(message, "refusal")  # OpenAI's refusal has no content
    if content or not calls:
        yield Message(role, _parse_content(content, number), learned)
    if calls:
        yield Message("tool_call", _format_tool_calls(calls), learned)


def _describe_unknown_role(item: dict[str, Any], role: object, number: int) -> str:
    if role == "" and not _has_role(item):
        keys = shorten(", ".join(map(str, item)), 40)
        return f"message {number} has the keys {keys}, expected role and content (or from and value)"
    return f"message {number} has an unknown role: {describe_value(role)}"


def _parse_content(content: object, number: int) -> str | dict[str, Any]:
    """Return the text of a message, which may consist of parts, or a field error."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return make_field_error(TURNS_BROKEN, f"message {number} is no text: {describe_value(content)}")
    texts = parse_part_texts(content)
    if texts is not None:
        return texts
    part = next(part for part in content if not isinstance(_parse_part(part), str))
    kind = part.get("type", ", ".join(map(str, part))) if isinstance(part, dict) else part
    is_media = isinstance(kind, str) and kind.removeprefix("input_").startswith(_MEDIA_TYPES)
    name = MEDIA_PART if is_media else TURNS_BROKEN
    return make_field_error(name, f"message {number} has a part of type {describe_value(kind)}")


def parse_part_texts(parts: object) -> str | None:
    """Return the texts of the parts of a message, joined; None if one of the parts is no text."""
    texts = [_parse_part(part) for part in parts] if isinstance(parts, list) else [None]
    return "\n".join(texts) if all(isinstance(text, str) for text in texts) else None  # type: ignore[arg-type]


def _parse_part(part: object) -> object:
    if isinstance(part, dict) and (part.get("type") in _TEXT_PARTS or part.keys() == {"text"}):
        return part.get("text", part.get("value"))
    return part if isinstance(part, str) else None


def _format_tool_calls(calls: object) -> str:
    """Return tool calls as JSON: {"name": ..., "arguments": ...}, or a list of these for several calls."""
    entries = [_parse_tool_call(call) for call in (calls if isinstance(calls, list) else [calls])]
    return dump_json(entries[0] if len(entries) == 1 else entries)


def _parse_tool_call(call: object) -> object:
    function = call.get("function", call) if isinstance(call, dict) else call
    if not isinstance(function, dict) or "name" not in function:
        return function
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return {"name": function["name"], "arguments": arguments}
    return {"name": function["name"], "arguments": arguments}
