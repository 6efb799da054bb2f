"""The row that `ingest` writes and `validate` reads: not yet a record, with its faults still in it.

A source's reader stops the run only when the source as a whole is unusable. What is
wrong with one row stays in the row, and the expectations decide about it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

Row = dict[str, Any]

# instruction, input, output, rejected: text, or whatever stands there; a fault() where no value could be made.
# turns: [{"role": ..., "content": ...}]. format: the record format that was recognised. oversized: names of the fields
# that were cut. original: the object (or line) as the file has it, None when it is just instruction, input and output.
FIELDS: Final = (
    *("instruction", "input", "output", "system", "turns", "rejected", "desirable", "url"),
    *(
        "language",
        "source",
        "task",
        "cluster",
        "choices",
        "role",
        "file",
        "source_row",
        "format",
        "oversized",
        "original",
    ),
)
TEXTS: Final = ("instruction", "input", "output")

LABEL_UNKNOWN: Final = "label-unknown"
TEXT_MISSING: Final = "text-missing"
ROW_RAGGED: Final = "row-ragged"
ROW_UNREADABLE: Final = "row-unreadable"  # a line or cell that the file's format does not allow
TURNS_BROKEN: Final = "turns-malformed"  # a conversation without a question, without an answer, or out of order
MEDIA_PART: Final = "media-part"  # an image, a sound or a file among the parts of a message
_ERRORS = (LABEL_UNKNOWN, TEXT_MISSING, ROW_RAGGED, ROW_UNREADABLE, TURNS_BROKEN, MEDIA_PART)
_ERROR_KEY = "seodang_fault"

_UNREADABLE_KEY = "seodang_unreadable"

PREVIEW_CHARACTERS: Final = 80
_SURROGATE = re.compile("[\ud800-\udfff]")
UNREADABLE_CHARACTERS: Final = 2_000  # of a line that cannot be read: enough to find and mend it


def make_field_error(name: str, found: object) -> dict[str, Any]:
    """Return what stands in a field whose value could not be made, with what was found instead."""
    return {_ERROR_KEY: name, "found": found}


def get_field_error(value: object) -> str | None:
    """Return the name of the fault that stands in a field, None for any other value."""
    name = (
        value[_ERROR_KEY] if isinstance(value, dict) and value.keys() == {_ERROR_KEY, "found"} else None
    )  # a file may have the key, too
    return name if name in _ERRORS else None


def make_malformed_row(text: str, reason: str) -> dict[str, Any]:
    """Return what a reader yields in the place of a row that the file's format does not allow.

    It counts as one row, and becomes a Row whose texts are fault(ROW_UNREADABLE, ...).

    Args:
        text: The row as it is in the file; what is beyond UNREADABLE_CHARACTERS is left out, and said so.
        reason: Where and why: 'line 3, column 17: this is not JSON (Expecting value)'.

    """
    excerpt = (
        text
        if len(text) <= UNREADABLE_CHARACTERS
        else f"{text[:UNREADABLE_CHARACTERS]}… ({len(text):,} characters in all)"
    )
    return {_UNREADABLE_KEY: excerpt, "reason": reason}


def is_malformed(found: object) -> bool:
    """Tell whether an object of a reader is a broken_row()."""
    return isinstance(found, dict) and found.keys() == {_UNREADABLE_KEY, "reason"}


def get_malformed_text(found: dict[str, Any]) -> str:
    """Return the text of a broken_row()."""
    return str(found[_UNREADABLE_KEY])


def classify_value(value: object) -> str | None:
    """Return "text", "broken", the name of a fault, or what else stands in a field; None when it is missing.

    "broken" is text with half a character (a lone surrogate, as a cut-off emoji leaves
    in JSON): no tokenizer takes it, and no UTF-8 file can hold it.
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
    """Return at most `characters` of a value in one line: Korean as text, invisible letters as blanks."""
    if get_field_error(value) and isinstance(value, dict):
        return shorten(value["found"], characters)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = "".join(letter if letter.isprintable() else " " for letter in text[: characters + 1])
    return line if len(text) <= characters else f"{line[: characters - 1]}…"
