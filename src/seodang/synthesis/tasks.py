"""Tasks as a teacher writes them: the fields of a task, and what came of the text of a reply. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from seodang.records import Language, normalize, replace_surrogates

# "no choices" and "no input" in a reply; Alpaca's word is <noinput>.
_NOTHING: Final = re.compile(r"<\s*(?:no\s?(?:input|choices)|none|없음)\s*>", re.IGNORECASE)
NOTHING: Final[Mapping[Language, str]] = {"en": "<none>", "ko": "<없음>"}
CHOICE_SEPARATOR: Final = "|"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a task in the text of a prompt and of its reply."""

    name: str
    """Key in JSON."""
    labels: Mapping[Language, str]
    """Heading in the numbered list."""
    may_be_empty: bool = False
    is_line: bool = False
    """Line breaks in it count as blanks."""


INSTRUCTION: Final = Field("instruction", {"en": "Instruction", "ko": "지시문"}, is_line=True)
CHOICES: Final = Field("choices", {"en": "Choices", "ko": "선택지"}, may_be_empty=True, is_line=True)
INPUT: Final = Field("input", {"en": "Input", "ko": "입력"}, may_be_empty=True)
OUTPUT: Final = Field("output", {"en": "Output", "ko": "답"})
ALL_FIELDS: Final = (INSTRUCTION, CHOICES, INPUT, OUTPUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedTask:
    """One task of a reply."""

    number: int
    """As the teacher numbers it."""
    texts: Mapping[str, str]
    """By name of a field; "" where the teacher says that there is nothing."""
    raw: str
    """As the teacher wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenTask:
    """A part of a reply that is no task."""

    reason: str
    """cut: the reply ended in it. incomplete: a field is missing or blank. unparsable: no field was found in it."""
    detail: str
    raw: str
    number: int | None = None
    """As the teacher numbers it; None where it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedReply:
    """The tasks of a reply, and what else it holds."""

    tasks: tuple[ParsedTask, ...]
    broken: tuple[BrokenTask, ...]


def clean_text(field: Field, text: str) -> str:
    """Return the text of a field: normalized, in one line where the field is a line, "" for <none>."""
    text = normalize(replace_surrogates(text))
    if field.is_line:
        text = " ".join(text.split())
    return "" if field.may_be_empty and _NOTHING.fullmatch(text) else text


def find_blank_fields(fields: tuple[Field, ...], texts: Mapping[str, str]) -> list[str]:
    """Return the names of the fields that are missing, or blank though they may not be."""
    return [field.name for field in fields if field.name not in texts or not (texts[field.name] or field.may_be_empty)]


def split_choices(text: str) -> tuple[str, ...]:
    """Return the choices of a classification task; none for another task."""
    return tuple(choice for part in text.split(CHOICE_SEPARATOR) if (choice := part.strip()))
