"""What must stand in a field before its text can be looked at; faults that the readers left in the row."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from seodang.ingest.rows import (
    LABEL_UNKNOWN,
    MEDIA_PART,
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

_FIELD_NAMES_KO: Final = {
    "instruction": "지시문",
    "input": "입력",
    "output": "답",
    "system": "시스템 글",
    "rejected": "나쁜 답",
}
_NOT_TEXT: Final = ("number", "true/false", "list", "object")
# Blanks, and letters that look like none: soft hyphen, Hangul fillers, zero-width and direction marks, Braille blank.
_INVISIBLE: Final = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0]*"
)


def is_blank(text: str) -> bool:
    """Return whether nothing of the text can be seen."""
    return _INVISIBLE.fullmatch(text) is not None


def _create_missing_rule(field: str) -> Rule:
    return Rule(
        id=f"{field}-missing",
        field=field,
        reason_ko=f"{_FIELD_NAMES_KO[field]}({field})이 없습니다",
        reason_en=f"{field} is missing",
        fix_ko=f"원본에 {field}을 채우거나 그 행을 지우세요",
        fix_en=f"fill in {field} at the source, or delete the row",
    )


def _create_blank_rule(field: str) -> Rule:
    return Rule(
        id=f"{field}-blank",
        field=field,
        reason_ko=f"{_FIELD_NAMES_KO[field]}({field})이 비어 있거나 보이지 않는 글자뿐입니다",
        reason_en=f"{field} is blank or has invisible letters only",
        fix_ko=f"원본에 {field}을 채우거나 그 행을 지우세요",
        fix_en=f"fill in {field} at the source, or delete the row",
    )


def _create_not_text_rule(field: str) -> Rule:
    return Rule(
        id=f"{field}-not-text",
        field="record" if field in {"system", "rejected"} else field,
        reason_ko=f"{_FIELD_NAMES_KO[field]}({field})이 글자가 아니라 숫자, 참/거짓, 목록 또는 객체입니다",
        reason_en=f"{field} is not text but a number, true/false, a list or an object",
        fix_ko="따옴표로 감싼 글자로 바꾸세요",
        fix_en="make it text in quotes",
    )


_READER_RULES: Final = (
    Rule(
        id=LABEL_UNKNOWN,
        field="output",
        reason_ko="라벨 칸의 값이 params.yaml의 table.labels에 없습니다",
        reason_en="the label cell is not among table.labels in params.yaml",
        fix_ko="그 값을 table.labels에 더하거나 원본의 라벨을 고치세요",
        fix_en="add the value to table.labels, or correct the label at the source",
    ),
    Rule(
        id=TEXT_MISSING,
        field="record",
        reason_ko="본문이 있어야 할 칸이 비어 있거나 없습니다",
        reason_en="the cell or key that holds the text is empty or absent",
        fix_ko="원본에 본문을 채우거나 그 행을 지우세요",
        fix_en="fill in the text at the source, or delete the row",
    ),
    Rule(
        id=ROW_RAGGED,
        field="record",
        reason_ko="칸이 머리줄보다 많은 행입니다",
        reason_en="the row has more cells than the header",
        fix_ko="쉼표가 든 칸은 따옴표로 감싸고, 탭이 든 칸에서는 탭을 지우세요",
        fix_en="quote the cell that holds a comma; take the tab out of a cell that holds one",
    ),
    Rule(
        id=ROW_UNREADABLE,
        field="record",
        reason_ko="파일 형식에 맞지 않아 읽을 수 없는 줄입니다",
        reason_en="the line or cell cannot be read: its file's format does not allow it",
        fix_ko="잘린 줄, 빠진 따옴표나 괄호, UTF-8이 아닌 글자를 원본에서 고치세요",
        fix_en="mend the cut line, the missing quote or bracket, or what is not UTF-8 at the source",
    ),
    Rule(
        id=TURNS_BROKEN,
        field="record",
        reason_ko="대화에 질문이나 답이 없거나 차례가 어긋납니다",
        reason_en="the conversation lacks a question or an answer, or is out of order",
        fix_ko="질문과 답이 번갈아 나오고 답으로 끝나게 고치세요",
        fix_en="let questions and answers alternate, and end it with an answer",
    ),
    Rule(
        id=MEDIA_PART,
        field="record",
        reason_ko="메시지에 모델이 볼 수 없는 그림, 소리 또는 파일이 들어 있습니다",
        reason_en="a message holds an image, a sound or a file, which the model can't see",
        fix_ko="내용을 글로 옮겨 적거나 그 행을 빼세요",
        fix_en="put its content into words, or leave the row out",
    ),
)
_OVERSIZED: Final = Rule(
    id="oversized",
    field="record",
    reason_ko="글이 너무 길어 읽을 때 앞부분만 남겼습니다",
    reason_en="a text is so long that only its head was read",
    fix_ko="원본을 나누거나 params.yaml의 ingest.max_field_characters를 키우세요",
    fix_en="split it at the source, or raise ingest.max_field_characters in params.yaml",
)
_PAIR_EQUAL: Final = Rule(
    id="pair-equal",
    field="record",
    reason_ko="선호 쌍의 나은 답과 못한 답이 같습니다",
    reason_en="the better and the worse answer of a preference pair are the same",
    fix_ko="두 답을 다르게 하거나 그 행을 빼세요",
    fix_en="make the two answers differ, or leave the row out",
)

RULES: Final = (
    *(rule(field) for field in ("instruction", "output") for rule in (_create_missing_rule, _create_blank_rule)),
    *(_create_not_text_rule(field) for field in ("instruction", "input", "output", "system", "rejected")),
    *_READER_RULES,
    _OVERSIZED,
    _PAIR_EQUAL,
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
    """Return the first field that the reader cut."""
    for field in view.row["oversized"]:
        value = view.row.get(field, "")
        return Finding(field, shorten(f"{len(value):,} characters: {value}" if isinstance(value, str) else value))
    return None


def find_equal_pair(view: View) -> Finding | None:
    """Return the worse answer where it is the better one again, blanks and case aside."""
    rejected = view.row.get("rejected")
    if not isinstance(rejected, str) or not rejected or not view.output:
        return None
    return (
        Finding("rejected", shorten(rejected))
        if rejected.casefold().split() == view.output.casefold().split()
        else None
    )


CHECKS: Final[dict[str, Check]] = {
    **{f"{field}-missing": _create_missing_check(field) for field in ("instruction", "output")},
    **{f"{field}-blank": _create_blank_check(field) for field in ("instruction", "output")},
    **{
        f"{field}-not-text": _create_not_text_check(field)
        for field in ("instruction", "input", "output", "system", "rejected")
    },
    **{rule.id: _create_reader_error_check(rule.id) for rule in _READER_RULES},
    "oversized": find_oversized,
    "pair-equal": find_equal_pair,
}
