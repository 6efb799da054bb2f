"""Give the rules a view of a row: its texts, with features that are computed once on first use."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seodang.config.expectations import LimitsParams
from seodang.ingest.rows import Row, shorten
from seodang.records import detect_language


@dataclass(frozen=True, slots=True)
class Finding:
    """The part of a row that breaks a rule."""

    field: str  # a field of the row
    excerpt: str  # of the text: one line of at most 80 characters


class View:
    """The texts of one row. Non-text values read as ""; the structure rules report them."""

    def __init__(self, row: Row, limits: LimitsParams) -> None:
        self.row = row
        self.limits = limits
        self.instruction = _get_text(row["instruction"])
        self.input = _get_text(row["input"])
        self.output = _get_text(row["output"])

    @cached_property
    def task_text(self) -> str:
        """The beginnings of instruction and input in lower case; they describe the task."""
        return f"{self.request}\n{self.input[:_TASK_CHARACTERS].lower()}"

    @cached_property
    def request(self) -> str:
        """The beginning of the instruction in lower case, stripped."""
        return self.instruction.lower().strip()[:_TASK_CHARACTERS]

    @cached_property
    def answer(self) -> str:
        """The stripped output."""
        return self.output.strip()

    @cached_property
    def full_text(self) -> str:
        """All texts joined, so that one search rules out a pattern in all of them."""
        return "\n".join(text for _, text in self.texts)

    @cached_property
    def has_unusual_letters(self) -> bool:
        """Whether a text contains a character other than ASCII, Hangul syllables and common symbols."""
        return _UNUSUAL_LETTER.search(self.full_text) is not None

    @cached_property
    def has_long_number(self) -> bool:
        """Whether a text contains a number of eight or more digits, with or without separators."""
        return _LONG_NUMBER.search(self.full_text) is not None

    @cached_property
    def is_korean(self) -> bool:
        """Whether the record is Korean: the language field decides, else instruction and input."""
        language = self.row.get("language")
        return (language if language in {"ko", "en"} else detect_language(self.task_text)) == "ko"

    @cached_property
    def is_technical(self) -> bool:
        """Whether the record is about code, markup or templates, where special characters are literal."""
        return self.is_technical_task or self.has_code_answer or "```" in self.full_text

    @cached_property
    def is_technical_task(self) -> bool:
        """Whether instruction or input mention code, markup or templates."""
        return _TECHNICAL.search(self.task_text) is not None

    @cached_property
    def has_code_answer(self) -> bool:
        """Whether the output is code or markup."""
        return "```" in self.output or _CODE.search(self.output) is not None

    @property
    def has_choices(self) -> bool:
        """Whether the answer is one of a closed set; the input may then be any text."""
        return bool(self.row.get("choices"))

    @cached_property
    def texts(self) -> list[tuple[str, str]]:
        """All texts in the prompt or the labels of the model, with the names of their fields."""
        texts = [("instruction", self.instruction), ("input", self.input), ("output", self.output)]
        texts += [(name, _get_text(self.row.get(name))) for name in ("system", "rejected")]
        texts += [("turns", _get_text(turn.get("content"))) for turn in get_turns(self.row)]
        return [(name, text) for name, text in texts if text]


_TASK_CHARACTERS = 2000  # the description of the task comes first, and longer searches cost time
_UNUSUAL_LETTER = re.compile("[^\t\n\x20-\x7e가-힣‘’“”…·–—•°×÷²³]")
_LONG_NUMBER = re.compile(r"\d[-\d .()–]{6,}\d")
# With one of these words in instruction or input, markup, braces and tags may be part of the task.
_TECHNICAL = re.compile(
    r"(?<![a-z])(?<!=\?)(?:html|xml|css|php|jsx?|svg|json|yaml|latex|regex|markdown|javascript|typescript|react|vue"
    r"|angular|jinja|sql|bash|shell|python|java|swift|kotlin"
    r"|haskell|perl|ruby|rust|web ?pages?|websites?|tags?|markup|templates?|placeholders?|codes?|coding"
    r"|program(?:s|ming)?|scripts?|functions?|snippets?|compile|syntax"
    r"|query|queries|algorithm|tokens?|tokeni[sz]\w*|encod\w*|mojibake|utf-?8|unicode)(?![a-z])|c\+\+|c#|코드"
    r"|코딩|태그|웹|프로그램|프로그래밍|스크립트|함수|템플릿|서식|쿼리"
    r"|자바|파이썬|마크업|알고리즘|토큰|인코딩|유니코드|정규식"
)
_CODE = re.compile(
    r"^[ \t]*(?:def |class \w|import |from \w+ import|#include|public |function |var |let |const |<!doctype"
    r"|<html|<\?|SELECT )",
    re.MULTILINE | re.IGNORECASE,
)


def get_turns(row: Row) -> list[dict[str, Any]]:
    """Return the turns before the instruction; [] if the field holds anything but a list."""
    turns = row.get("turns")
    return [turn for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []


def _get_text(value: object) -> str:
    return value if isinstance(value, str) else ""


def create_finding(field: str, text: str, start: int) -> Finding:
    """Return a finding with an excerpt that begins at most 20 characters before `start`."""
    begin = max(0, start - 20)
    return Finding(field, shorten(("…" if begin else "") + text[begin:]))


def search(view: View, pattern: re.Pattern[str]) -> Finding | None:
    """Return the first match of the pattern in any text."""
    if pattern.search(view.full_text) is None:
        return None
    for field, text in view.texts:
        if match := pattern.search(text):
            return create_finding(field, text, match.start())
    return None


Check = Callable[[View], Finding | None]
Metric = Callable[[View], float | None]
Repairer = Callable[[str, View], str]  # text, view of its row -> repaired text
