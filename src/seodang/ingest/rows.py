"""Define the row that `ingest` writes and `validate` reads: a record before validation, with its errors.

A reader stops the run only if the entire source is unusable. An error of one row stays in the row as a field error,
and the expectations decide about it. Field errors are English in every language: rows are data, not messages.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from seodang.i18n import Message

Row = dict[str, Any]

# instruction, input, output, rejected: text, or any other JSON value; a field error if no value could be built.
# turns: [{"role": ..., "content": ...}], with "learned": false for an answer that the source excludes from the loss.
# format: record format that was detected. oversized: names of truncated fields.
# marks: rule -> key and value with which the record describes itself: {"record-rejected": "status: discarded"}.
# original: object (or line) as it is in the file; None if it holds only instruction, input and output.
FIELDS: Final = (
    *("instruction", "input", "output", "system", "turns", "rejected", "desirable", "url"),
    *("language", "source", "task", "cluster", "choices", "role"),
    *("file", "source_row", "format", "oversized", "marks", "original"),
)
TEXTS: Final = ("instruction", "input", "output")

LABEL_UNKNOWN: Final = "label-unknown"
TEXT_MISSING: Final = "text-missing"
ROW_RAGGED: Final = "row-ragged"
ROW_UNREADABLE: Final = "row-unreadable"  # a line or cell that violates the file format
TURNS_BROKEN: Final = "turns-malformed"  # a conversation without question, without answer, or with roles out of order
MEDIA_PART: Final = "media-part"  # an image, audio or file part in a message
NOT_LEARNED: Final = "not-learned"  # no answer of the conversation may be learned
REJECTED_BLANK: Final = "rejected-blank"  # a preference pair without a rejected answer
LOSS_UNCLEAR: Final = "loss-flag-unclear"  # a message says in an unknown way whether it may be learned
_ERRORS = (
    *(LABEL_UNKNOWN, TEXT_MISSING, ROW_RAGGED, ROW_UNREADABLE, TURNS_BROKEN, MEDIA_PART, NOT_LEARNED, LOSS_UNCLEAR),
    *(REJECTED_BLANK,),
)
# What a record says about itself; keys of a row's `marks`.
RECORD_REJECTED: Final = "record-rejected"
RECORD_DOUBTFUL: Final = "record-doubtful"
ANSWER_CORRECTED: Final = "answer-corrected"
PAIR_REVERSED: Final = "pair-reversed"
PREFERENCE_MISSING: Final = "preference-missing"  # a record of a preference source that states no preference
HELD_OUT: Final = "held-out"  # a record of a test split in a source whose role is train
_ERROR_KEY = "seodang_fault"

_UNREADABLE_KEY = "seodang_unreadable"

PREVIEW_CHARACTERS: Final = 80
_SURROGATE = re.compile("[\ud800-\udfff]")
UNREADABLE_CHARACTERS: Final = 2_000  # kept characters of an unreadable line: enough to find and repair it


def make_field_error(name: str, found: object) -> dict[str, Any]:
    """Return the field error that replaces a value that could not be built.

    Args:
        name: Kind of the error, such as LABEL_UNKNOWN.
        found: The value found instead, or an English description of it.

    """
    return {_ERROR_KEY: name, "found": found}


def get_field_error(value: object) -> str | None:
    """Return the name of a field error; None for any other value."""
    name = value[_ERROR_KEY] if isinstance(value, dict) and value.keys() == {_ERROR_KEY, "found"} else None
    return name if name in _ERRORS else None  # an object in a file may have the key, too


def make_malformed_row(text: str, reason: Message) -> dict[str, Any]:
    """Return the object that a reader yields for a row that violates the file format.

    It counts as one row. Its Row has the field error ROW_UNREADABLE in all texts.

    Args:
        text: The row as it is in the file; a longer text than UNREADABLE_CHARACTERS is truncated with a note.
        reason: Position and cause: 'line 3, column 17: this is not JSON (Expecting value)'.

    """
    excerpt = (
        text
        if len(text) <= UNREADABLE_CHARACTERS
        else f"{text[:UNREADABLE_CHARACTERS]}… ({len(text):,} characters in all)"
    )
    return {_UNREADABLE_KEY: excerpt, "reason": reason}


def is_malformed(record: object) -> bool:
    """Return whether an object of a reader is a malformed row."""
    return (
        isinstance(record, dict)
        and record.keys() == {_UNREADABLE_KEY, "reason"}
        and isinstance(record["reason"], Message)  # an object in a file may have the keys, too
    )


def get_malformed_text(record: dict[str, Any]) -> str:
    """Return the text of a malformed row."""
    return str(record[_UNREADABLE_KEY])


def get_malformed_reason(record: dict[str, Any]) -> Message:
    """Return the position and cause of a malformed row."""
    reason: Message = record["reason"]
    return reason


def classify_value(value: object) -> str | None:
    """Return the type of a value: "text", "broken", a field error's name or a JSON type; None if it is missing.

    "broken" is text with a lone surrogate, such as a truncated emoji in JSON: no tokenizer accepts it, and no UTF-8
    file can hold it.
    """
    match value:
        case None:
            return None
        case str():
            return "text" if value.isascii() or not _SURROGATE.search(value) else "broken"
        case bool():
            return "true/false"
        case int() | float():
            return "number"
        case list():
            return "list"
        case _:
            return get_field_error(value) or "object"


def shorten(value: object, characters: int = PREVIEW_CHARACTERS) -> str:
    """Return at most `characters` of a value in one line; non-printable characters become spaces."""
    if get_field_error(value) and isinstance(value, dict):
        return shorten(value["found"], characters)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = "".join(character if character.isprintable() else " " for character in text[: characters + 1])
    return line if len(text) <= characters else f"{line[: characters - 1]}…"
