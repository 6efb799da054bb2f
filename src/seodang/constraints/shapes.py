"""Constraints on the form of an answer, which change it: lists, parts, marks, case, beginning and end."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from typing import Any, Final

from seodang.constraints.draft import Builder, Constraint, Draft, list_words, split_points

_MAX_POINTS: Final = 6
_MAX_TITLE: Final = 30
_MIN_MARKED, _MAX_MARKED = 2, 4  # words
_PARTS: Final = {"ko": ("부분", "단계", "섹션", "항목", "내용"), "en": ("Section", "PART", "Step", "Point", "Chapter")}
_FIELDS: Final = {
    "ko": ("이름", "날짜", "장소", "연락처", "시간", "담당자", "부서", "회사"),
    "en": ("name", "date", "place", "phone number", "time", "company", "email", "city"),
}
_ENDINGS: Final = {
    "ko": (
        *("이상입니다.", "도움이 되었으면 합니다.", "여기까지 말씀드렸습니다.", "읽어 주셔서 고맙습니다."),
        *("더 궁금한 점은 언제든 물어보세요.", "좋은 하루 보내세요.", "제 답은 여기까지입니다.", "잘 기억해 두세요."),
    ),
    "en": (
        *("That is all.", "I hope this is of use.", "This is the end of my answer.", "Thank you for reading."),
        *("Feel free to ask again.", "Have a nice day.", "And that is my view.", "Let me know what you think."),
    ),
}
_POSTSCRIPTS: Final = {
    "ko": ("답장을 기다리겠습니다.", "건강 잘 챙기세요.", "자세한 내용은 다음에 전하겠습니다.", "늘 고맙습니다."),
    "en": ("Please write back soon.", "Take good care.", "More details will follow.", "Thanks again for asking."),
}
_MARKERS: Final = {"ko": ("추신:", "P.S.", "덧붙임:"), "en": ("P.S.", "P.P.S")}
_JSON_KEYS: Final = {"ko": ("답", "답변", "내용", "결과"), "en": ("answer", "response", "text", "result")}
_REQUEST_END: Final = re.compile(
    "(?:을|를|에 대해|에 대하여|에 대한)?\\s*(?:간략하게|간단히|자세히)?\\s*(?:알려|설명|작성|생성|나열|제시|추천|써|쓰|만들|말|"
    "제안|소개|요약|정의|비교|분석|찾|묘사|기술|구성|제공|계산|식별)\\S*(?:\\s?(?:주세요|주십시오))?[.?!]?$"
)
_REQUEST_START: Final = re.compile(
    r"^(?:please )?(?:describe|explain|summarize|write|create|generate|list|name|discuss|compare|suggest|outline|compose|"
    r"give(?: me)?|provide|tell me|identify)\s+(?:(?:an?|the|some|about|how|why|what)\s+)*",
    re.IGNORECASE,
)


def _join_points(draft: Draft, minimum: int = 2) -> list[str]:
    points = split_points(draft.answer)
    return points if minimum <= len(points) <= _MAX_POINTS else []


def build_bullets(draft: Draft, rng: random.Random) -> Constraint | None:
    """Turn the points of the answer into a list with bullets."""
    points, mark = _join_points(draft), rng.choice(("-", "*"))
    answer = "\n".join(f"{mark} {point}" for point in points)
    values = {"n": len(points), "mark": mark}
    return _make("detectable_format:number_bullet_lists", {"num_bullets": len(points)}, values, answer, points)


def build_sections(draft: Draft, rng: random.Random) -> Constraint | None:
    """Put a numbered heading above each point."""
    points, word = _join_points(draft), rng.choice(_PARTS[draft.language])
    answer = "\n".join(f"{word} {number}\n{point}" for number, point in enumerate(points, 1))
    arguments = {"section_spliter": word, "num_sections": len(points)}
    values = {"n": len(points), "word": word}
    return _make("detectable_format:multiple_sections", arguments, values, answer, points)


def build_paragraphs(draft: Draft, rng: random.Random) -> Constraint | None:
    """Separate the points by three asterisks."""
    points = _join_points(draft)
    arguments, values = {"num_paragraphs": len(points)}, {"n": len(points)}
    return _make("length_constraints:number_paragraphs", arguments, values, "\n\n***\n\n".join(points), points)


def build_first_word(draft: Draft, rng: random.Random) -> Constraint | None:
    """Separate the points by blank lines, and ask for the first word of one of them."""
    points = _join_points(draft)
    if not points:
        return None
    number = rng.randint(1, len(points))
    word = re.split(r"[.,?!'\"”’。，？！]", points[number - 1].split()[0].lstrip("'\"“‘"))[0]
    arguments = {"num_paragraphs": len(points), "nth_paragraph": number, "first_word": word}
    values = {"n": len(points), "number": number, "word": word}
    id = "length_constraints:nth_paragraph_first_word"
    return _make(id, arguments, values, "\n\n".join(points), word)


def build_highlights(draft: Draft, rng: random.Random) -> Constraint | None:
    """Put words of the answer between asterisks."""
    words = [word for word in list_words(draft.answer, draft.language) if draft.answer.count(word) == 1]
    if "*" in draft.answer or len(words) < _MIN_MARKED:
        return None
    count, mark, answer = rng.randint(_MIN_MARKED, min(_MAX_MARKED, len(words))), rng.choice(("*", "**")), draft.answer
    for word in rng.sample(words, count):
        answer = answer.replace(word, f"{mark}{word}{mark}")
    values = {"n": count, "mark": mark}
    return _make("detectable_format:number_highlighted_sections", {"num_highlights": count}, values, answer, words)


def build_title(draft: Draft, rng: random.Random) -> Constraint | None:
    """Put what the instruction is about above the answer, in double angle brackets."""
    pattern = _REQUEST_END if draft.language == "ko" else _REQUEST_START
    title = pattern.sub("", draft.instruction).strip(" .?!\"'“”")
    is_title = title and title != draft.instruction.strip(" .?!\"'") and len(title) <= _MAX_TITLE and "\n" not in title
    title = title[:1].upper() + title[1:]
    return _make("detectable_format:title", {}, {}, f"<<{title}>>\n\n{draft.answer}", is_title)


def build_placeholders(draft: Draft, rng: random.Random) -> Constraint | None:
    """Add lines whose values are left open in square brackets."""
    names = rng.sample(_FIELDS[draft.language], rng.randint(2, 4))
    lines = "\n".join(f"{name[:1].upper()}{name[1:]}: [{name}]" for name in names)
    arguments, values = {"num_placeholders": len(names)}, {"n": len(names), "word": names[0]}
    return _make("detectable_content:number_placeholders", arguments, values, f"{draft.answer}\n\n{lines}", names)


def build_lowercase(draft: Draft, rng: random.Random) -> Constraint | None:
    """Write an English answer in small letters."""
    is_english = draft.language == "en"
    return _make("change_case:english_lowercase", {}, {}, draft.answer.lower(), is_english)


def build_uppercase(draft: Draft, rng: random.Random) -> Constraint | None:
    """Write a short English answer in capital letters."""
    is_short = draft.language == "en" and len(draft.answer) < 160
    return _make("change_case:english_capital", {}, {}, draft.answer.upper(), is_short)


def build_capital_words(draft: Draft, rng: random.Random) -> Constraint | None:
    """Write some words of an English answer in capital letters."""
    words = [word for word in list_words(draft.answer, "en") if draft.answer.count(word) == 1]
    if draft.language != "en" or len(words) < _MIN_MARKED:
        return None
    count, answer = rng.randint(_MIN_MARKED, min(_MAX_MARKED, len(words))), draft.answer
    for word in rng.sample(words, count):
        answer = answer.replace(word, word.upper())
    arguments = {"capital_frequency": count, "capital_relation": "at least"}
    return _make("change_case:capital_word_frequency", arguments, {"n": count}, answer, words)


def build_end(draft: Draft, rng: random.Random) -> Constraint | None:
    """Add a last sentence."""
    phrase = rng.choice(_ENDINGS[draft.language])
    answer = f"{draft.answer}{rng.choice((' ', chr(10)))}{phrase}"
    return _make("startend:end_checker", {"end_phrase": phrase}, {"phrase": phrase}, answer, phrase)


def build_postscript(draft: Draft, rng: random.Random) -> Constraint | None:
    """Add a postscript."""
    marker, text = rng.choice(_MARKERS[draft.language]), rng.choice(_POSTSCRIPTS[draft.language])
    arguments = {"postscript_marker": marker}
    return _make(
        "detectable_content:postscript", arguments, {"marker": marker}, f"{draft.answer}\n\n{marker} {text}", marker
    )


def build_quotation(draft: Draft, rng: random.Random) -> Constraint | None:
    """Put the answer between double quotes."""
    return _make("startend:quotation", {}, {}, f'"{draft.answer}"', '"' not in draft.answer)


def build_json(draft: Draft, rng: random.Random) -> Constraint | None:
    """Put the answer, or its points, into a JSON object."""
    key, points = rng.choice(_JSON_KEYS[draft.language]), split_points(draft.answer)
    value: Any = points if len(points) > 1 else draft.answer
    answer = json.dumps({key: value}, ensure_ascii=False)
    return _make("detectable_format:json_format", {"json_types": ["object"]}, {"key": key}, answer, key)


def build_repetition(draft: Draft, rng: random.Random) -> Constraint | None:
    """Repeat the instruction before the answer."""
    arguments = {"prompt_to_repeat": draft.instruction}
    answer = f"{draft.instruction}\n\n{draft.answer}"
    return _make("combination:repeat_prompt", arguments, {}, answer, len(draft.instruction) <= 100)


def _make(
    id: str, arguments: Mapping[str, Any], values: Mapping[str, object], answer: str, suits: object
) -> Constraint | None:
    """Return a constraint; None unless it suits the answer."""
    return Constraint(id, arguments, values, answer) if suits else None


PARTS: Final[dict[Builder, float]] = {
    build_bullets: 2.0,
    build_sections: 1.2,
    build_paragraphs: 1.5,
    build_first_word: 1.0,
    build_json: 1.5,
}
"""At most one of these for a record, with their weights."""
MARKS: Final[dict[Builder, float]] = {build_highlights: 2.0, build_capital_words: 1.0, build_title: 1.8}
CASES: Final[dict[Builder, float]] = {build_lowercase: 2.0, build_uppercase: 1.5}
ENDS: Final[dict[Builder, float]] = {build_end: 2.0, build_postscript: 1.5, build_placeholders: 1.2}
FRAMES: Final[dict[Builder, float]] = {build_quotation: 1.8, build_repetition: 1.8}
