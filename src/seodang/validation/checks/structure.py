"""Check that fields hold text, and report the errors that the readers left in the row."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import (
    LABEL_UNKNOWN,
    LOSS_UNCLEAR,
    MEDIA_PART,
    NOT_LEARNED,
    ROW_RAGGED,
    ROW_UNREADABLE,
    TEXT_MISSING,
    TURNS_BROKEN,
    classify_value,
    get_field_error,
    shorten,
)
from seodang.validation.checks.row_view import Check, Finding, View
from seodang.validation.checks.rule import Rule

_NOT_TEXT: Final = ("number", "true/false", "list", "object")
# White space and invisible characters: soft hyphen, Hangul fillers, zero-width and direction marks, Braille blank.
_INVISIBLE: Final = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0]*"
)


def is_blank(text: str) -> bool:
    """Return whether the text contains no visible character."""
    return _INVISIBLE.fullmatch(text) is not None


_FILL_IN_INSTRUCTION: Final = Message("fill in instruction in the source, or delete the row")
_FILL_IN_OUTPUT: Final = Message("fill in output in the source, or delete the row")
_QUOTE: Final = Message("make it one text in quotes; of a list of answers, keep the one to learn")


def _create_not_text_rule(field: str, reason: Message) -> Rule:
    rule_field = "record" if field in {"system", "rejected"} else field
    return Rule(id=f"{field}-not-text", field=rule_field, reason=reason, fix=_QUOTE)


_FIELD_RULES: Final = (
    Rule(
        id="instruction-missing",
        field="instruction",
        reason=Message("instruction is missing"),
        fix=_FILL_IN_INSTRUCTION,
    ),
    Rule(
        id="instruction-blank",
        field="instruction",
        reason=Message("instruction is blank or contains only invisible characters"),
        fix=_FILL_IN_INSTRUCTION,
    ),
    Rule(id="output-missing", field="output", reason=Message("output is missing"), fix=_FILL_IN_OUTPUT),
    Rule(
        id="output-blank",
        field="output",
        reason=Message("output is blank or contains only invisible characters"),
        fix=_FILL_IN_OUTPUT,
    ),
    _create_not_text_rule(
        "instruction", Message("instruction is a number, true/false, a list or an object instead of text")
    ),
    _create_not_text_rule("input", Message("input is a number, true/false, a list or an object instead of text")),
    _create_not_text_rule("output", Message("output is a number, true/false, a list or an object instead of text")),
    _create_not_text_rule("system", Message("system is a number, true/false, a list or an object instead of text")),
    _create_not_text_rule("rejected", Message("rejected is a number, true/false, a list or an object instead of text")),
)
_READER_RULES: Final = (
    Rule(
        id=LABEL_UNKNOWN,
        field="output",
        reason=Message("the label says neither good nor bad, or is not among table.labels or choices in params.yaml"),
        fix=Message(
            "write true or false for the label of an answer, add the value to table.labels or choices, or set the format"
            " of the source, such as qa, if the label is no verdict"
        ),
    ),
    Rule(
        id=TEXT_MISSING,
        field="record",
        reason=Message("the cell or key of the text is empty or absent"),
        fix=Message("fill in the text in the source, or delete the row"),
    ),
    Rule(
        id=ROW_RAGGED,
        field="record",
        reason=Message("the row has more cells than the header"),
        fix=Message("quote a cell that contains a comma; remove the tab from a cell that contains one"),
    ),
    Rule(
        id=ROW_UNREADABLE,
        field="record",
        reason=Message("the line or cell violates the format of its file and cannot be read"),
        fix=Message(
            "repair the truncated line, the missing quote or bracket, or the bytes that are not UTF-8 in the source"
        ),
    ),
    Rule(
        id=TURNS_BROKEN,
        field="record",
        reason=Message("the conversation has no question or no answer, or its turns are out of order"),
        fix=Message("let questions and answers alternate, and end the conversation with an answer"),
    ),
    Rule(
        id=MEDIA_PART,
        field="record",
        reason=Message("a message contains an image, a sound or a file, which the model cannot see or hear"),
        fix=Message("describe its content as text, or leave the row out"),
    ),
    Rule(
        id=NOT_LEARNED,
        field="record",
        reason=Message("the source excludes every answer of the conversation, or the last one, from the loss"),
        fix=Message(
            "set weight (or loss_mask, train) of an answer to 1, delete the key that rejects it, or delete the row"
        ),
    ),
    Rule(
        id=LOSS_UNCLEAR,
        field="record",
        reason=Message("a message says in an unknown way whether it is to be learned"),
        fix=Message("write weight: 0 or weight: 1 into each message of the assistant"),
    ),
)
_OVERSIZED: Final = Rule(
    id="oversized",
    field="record",
    reason=Message("a text is so long that only its beginning was read"),
    fix=Message("split it in the source, or raise ingest.max_field_characters in params.yaml"),
)

RULES: Final = (
    *_FIELD_RULES,
    *_READER_RULES,
    _OVERSIZED,
)


def _create_missing_check(field: str) -> Check:
    return lambda view: Finding(field, shorten(None)) if view.row[field] is None else None


def _create_blank_check(field: str) -> Check:
    def check(view: View) -> Finding | None:
        text = view.row[field]
        return Finding(field, shorten(text)) if isinstance(text, str) and is_blank(text) else None

    return check


def _create_not_text_check(field: str) -> Check:
    def check(view: View) -> Finding | None:
        value = view.row.get(field)
        return (
            Finding(field, shorten(value))
            if not isinstance(value, str) and classify_value(value) in _NOT_TEXT
            else None
        )

    return check


def _create_reader_error_check(name: str) -> Callable[[View], Finding | None]:
    def check(view: View) -> Finding | None:
        for field in ("instruction", "input", "output", "system", "rejected", "turns"):
            value = view.row.get(field)
            if isinstance(value, dict) and get_field_error(value) == name:
                return Finding(field, shorten(value))
        return None

    return check


def find_oversized(view: View) -> Finding | None:
    """Return the first field that the reader truncated."""
    for field in view.row["oversized"]:
        value = view.row.get(field, "")
        return Finding(field, shorten(f"{len(value):,} characters: {value}" if isinstance(value, str) else value))
    return None


CHECKS: Final[dict[str, Check]] = {
    **{f"{field}-missing": _create_missing_check(field) for field in ("instruction", "output")},
    **{f"{field}-blank": _create_blank_check(field) for field in ("instruction", "output")},
    **{
        f"{field}-not-text": _create_not_text_check(field)
        for field in ("instruction", "input", "output", "system", "rejected")
    },
    **{rule.id: _create_reader_error_check(rule.id) for rule in _READER_RULES},
    "oversized": find_oversized,
}
