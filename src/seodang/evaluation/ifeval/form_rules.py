"""Rules about the form: lists, headings, quotes, case, language, how it begins and ends."""

from __future__ import annotations

import json
import re
import unicodedata

from seodang.errors import EvaluationError
from seodang.evaluation.ifeval.arguments import Arguments
from seodang.evaluation.ifeval.languages import LANGUAGES, identify_language, is_latin
from seodang.evaluation.ifeval.text import split_paragraphs

_CONSTRAINED_RESPONSES = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_COMMAS = frozenset(",，、،")
_FENCE = re.compile(r"\A```(?:json)?\s*(.*?)\s*(?:```)?\Z", re.DOTALL | re.IGNORECASE)


def has_placeholders(answer: str, arguments: Arguments) -> bool:
    """At least so many placeholders in square brackets, such as [address]."""
    return len(re.findall(r"\[.*?\]", answer)) >= arguments.get_int("num_placeholders")


def has_postscript(answer: str, arguments: Arguments) -> bool:
    """A postscript with that marker; "P. S." is as good as "P.S."."""
    marker = "".join(
        re.escape(letter) + r"\s?" if letter == "." else re.escape(letter)
        for letter in arguments.get_text("postscript_marker").lower()
    )
    return re.search(marker, answer.lower()) is not None


def has_bullets(answer: str, arguments: Arguments) -> bool:
    """Just so many bullet points: lines that begin with "* " or "-"."""
    return len(re.findall(r"^\s*(?:\*[^*\n]|-).*$", answer, re.MULTILINE)) == arguments.get_int("num_bullets")


def is_constrained_response(answer: str, arguments: Arguments) -> bool:
    """One of the three answers that the prompts allow."""
    return any(allowed in answer for allowed in _CONSTRAINED_RESPONSES)


def has_highlights(answer: str, arguments: Arguments) -> bool:
    """At least so many stretches in *asterisks* or **two of them**."""
    single = sum(bool(found.strip("*").strip()) for found in re.findall(r"\*[^\n*]*\*", answer))
    double = sum(bool(found.strip("*").strip()) for found in re.findall(r"\*\*[^\n*]*\*\*", answer))
    return single + double >= arguments.get_int("num_highlights")


def has_sections(answer: str, arguments: Arguments) -> bool:
    """At least so many sections, each headed by the word and a number: "SECTION 1"."""
    return len(re.findall(rf"{re.escape(arguments.get_text('section_spliter'))}\s?\d+", answer)) >= arguments.get_int(
        "num_sections"
    )


def is_json(answer: str, arguments: Arguments) -> bool:
    """The whole is JSON, also between marks of code."""
    fence = _FENCE.match(answer.strip())
    try:
        json.loads(fence[1] if fence else answer)
    except (ValueError, RecursionError):
        return False
    return True


def has_title(answer: str, arguments: Arguments) -> bool:
    """It has a title in <<double angular brackets>>."""
    return any(found.strip("<>").strip() for found in re.findall(r"<<[^\n]+?>>", answer))


def has_two_responses(answer: str, arguments: Arguments) -> bool:
    """Two different answers, with ****** between them."""
    found = split_paragraphs(answer, "******")
    return found is not None and len(found) == 2 and found[0] != found[1]


def has_repeated_prompt(answer: str, arguments: Arguments) -> bool:
    """It begins with the request, word for word, in any case."""
    return _normalize(answer).startswith(_normalize(arguments.get_text("prompt_to_repeat")))


def has_end_phrase(answer: str, arguments: Arguments) -> bool:
    """It ends with the phrase, in any case, quotes around the whole left out."""
    return _normalize(answer).strip('"').rstrip().endswith(_normalize(arguments.get_text("end_phrase")))


def is_quoted(answer: str, arguments: Arguments) -> bool:
    """The whole stands in double quotes."""
    stripped = answer.strip()
    return len(stripped) > 1 and stripped[0] == stripped[-1] == '"'


def has_no_comma(answer: str, arguments: Arguments) -> bool:
    """No comma; those of East Asian and Arabic script are commas too, where the published rule looks for "," alone."""
    return not _COMMAS.intersection(answer)


def is_english_uppercase(answer: str, arguments: Arguments) -> bool:
    """English, all in capitals."""
    return answer.isupper() and _is_english(answer)


def is_english_lowercase(answer: str, arguments: Arguments) -> bool:
    """English, all in small letters."""
    return answer.islower() and _is_english(answer)


def _is_english(answer: str) -> bool:
    """Tell whether it is English; a few words whose language cannot be told count when no letter speaks against it."""
    language = identify_language(answer)
    return language == "en" or (language is None and is_latin(answer))


def is_in_language(answer: str, arguments: Arguments) -> bool:
    """It is in that language; not, when its language cannot be told.

    Raises:
        EvaluationError: If it is a language that languages.py does not know.
    """
    language = arguments.get_text("language").partition("-")[0].lower()
    if language not in LANGUAGES:
        raise EvaluationError(
            f"instruction {arguments.instruction}: {language!r} cannot be told; those that can are {', '.join(sorted(LANGUAGES))} / 판별할 수 없는 언어입니다"
        )
    return identify_language(answer) == language


def _normalize(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip().lower()
