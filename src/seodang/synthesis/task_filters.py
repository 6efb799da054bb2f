"""The filters of Alpaca for a new task, and those that are right for Korean.

The rules are those of `generate_instruction.py` in tatsu-lab/stanford_alpaca, which follow Self-Instruct: too short or
too long, words of what a language model cannot do, a program to write, punctuation at the beginning. Their rule against
other alphabets drops an instruction that does not begin with an ASCII character, so it would drop all of Korean. Here
an instruction begins with a letter of its language, a Latin letter or a digit, and its language is that of the recipe.
A Korean one may begin with a quoted word: 9 of the 118 Korean seed tasks of the primer do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from seodang.hangul.analyzer import load_analyzer
from seodang.records import Language, detect_language
from seodang.synthesis.tasks import split_choices

# Of Alpaca's list.
_ENGLISH_WORDS: Final = re.compile(
    r"\b(images?|graphs?|pictures?|files?|maps?|draw|plot|go to|video|audio|music|flowchart|diagram)\b", re.IGNORECASE
)
# The same words in Korean: nouns, and verbs in their dictionary form.
_KOREAN_NOUNS: Final = frozenset(
    "이미지 그래프 그림 사진 파일 지도 동영상 영상 비디오 오디오 음성 음악 순서도 흐름도 다이어그램 도표 차트".split()
)
_KOREAN_VERBS: Final = frozenset({"그리"})
_PROGRAM: Final[Mapping[Language, re.Pattern[str]]] = {
    "en": re.compile(r"write a program", re.IGNORECASE),
    "ko": re.compile(r"[^.?!]{0,60}프로그램을?\s*(?:작성|만들|짜)"),
}
_QUOTE: Final = re.compile(
    r"^['\"‘“「『《〈(](?=\w)"
)  # before the word that a Korean instruction is about: '되'와 '돼'를 ...
_VERB_SUFFIX: Final = "XSV"  # 지도 + 하다: to guide, and no map


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterLimits:
    """Bounds of the filters."""

    language: Language
    min_words: int
    max_words: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a task is not kept."""

    reason: str
    detail: str = ""


_Filter = Callable[[Mapping[str, str], FilterLimits], Rejected | None]


def find_rejection(texts: Mapping[str, str], limits: FilterLimits) -> Rejected | None:
    """Return the first filter that rejects a task; None if all pass it.

    Args:
        texts: Instruction, choices, input and output.
        limits: Bounds of the filters.
    """
    return next((rejected for check in _FILTERS if (rejected := check(texts, limits))), None)


def _check_length(texts: Mapping[str, str], limits: FilterLimits) -> Rejected | None:
    words = len(texts["instruction"].split())
    if words < limits.min_words:
        return Rejected("too_short", f"{words} words")
    return Rejected("too_long", f"{words} words") if words > limits.max_words else None


def _check_beginning(texts: Mapping[str, str], limits: FilterLimits) -> Rejected | None:
    text = texts["instruction"]
    if limits.language == "ko":
        text = _QUOTE.sub("", text)
    first = text[:1]
    if unicodedata.category(first)[0] in "PSZC":
        return Rejected("starts_with_punctuation", first)
    is_hangul = "가" <= first <= "힣" and limits.language == "ko"
    return None if first.isascii() or is_hangul else Rejected("starts_with_other_script", first)


def _check_language(texts: Mapping[str, str], limits: FilterLimits) -> Rejected | None:
    found = detect_language(texts["instruction"])
    return None if found == limits.language else Rejected("other_language", found)


def _check_words(texts: Mapping[str, str], limits: FilterLimits) -> Rejected | None:
    if match := _ENGLISH_WORDS.search(texts["instruction"]):
        return Rejected("forbidden_word", match[0])
    word = find_korean_word(texts["instruction"]) if limits.language == "ko" else ""
    return Rejected("forbidden_word", word) if word else None


def _check_program(texts: Mapping[str, str], limits: FilterLimits) -> Rejected | None:
    return Rejected("program") if _PROGRAM[limits.language].match(texts["instruction"]) else None


def _check_choices(texts: Mapping[str, str], limits: FilterLimits) -> Rejected | None:
    """Reject a classification task whose answer is none of its choices, or that has one choice."""
    choices = split_choices(texts.get("choices", ""))
    if len(set(choices)) == 1 or len(set(choices)) < len(choices):
        return Rejected("choices_unusable", texts["choices"])
    if choices and texts["output"] not in choices:
        return Rejected("answer_not_a_choice", texts["output"])
    return None


_FILTERS: Final[tuple[_Filter, ...]] = (
    _check_length,
    _check_beginning,
    _check_language,
    _check_words,
    _check_program,
    _check_choices,
)


def find_korean_word(text: str) -> str:
    """Return a forbidden noun or verb of a Korean text; "" for none.

    The morphological analyzer tells 지도 (a map) from 지도하다 (to guide) and from 지도자 (a leader).
    """
    morphemes = load_analyzer().tokenize(text)
    following = [*(morpheme.tag for morpheme in morphemes[1:]), ""]
    for morpheme, next_tag in zip(morphemes, following, strict=True):
        if morpheme.tag == "NNG" and morpheme.form in _KOREAN_NOUNS and next_tag != _VERB_SUFFIX:
            return str(morpheme.form)
        if morpheme.tag == "VV" and morpheme.form in _KOREAN_VERBS:
            return f"{morpheme.form}다"
    return ""
