"""Rules about the form of an answer: lists, headings, quotes, case, language, beginning and end.

Each rule takes an answer and the arguments of its instruction, and returns whether the answer follows it.
"""

from __future__ import annotations

import json
import re
import unicodedata

from seodang.errors import EvaluationError
from seodang.evaluation.ifeval.arguments import Arguments
from seodang.evaluation.ifeval.languages import LANGUAGES, identify_language, is_latin
from seodang.evaluation.ifeval.text import split_paragraphs
from seodang.i18n import _

_CONSTRAINED_RESPONSES = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_COMMAS = frozenset(",，、،")
_JSON_TYPES = {"object": dict, "array": list}
_FENCE = re.compile(r"\A```(?:json)?\s*(.*?)\s*(?:```)?\Z", re.DOTALL | re.IGNORECASE)


def has_placeholders(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer has the required number of placeholders in square brackets, such as [address]."""
    return len(re.findall(r"\[.*?\]", answer)) >= arguments.get_int("num_placeholders")


def has_postscript(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer has a postscript with the marker; "P. S." equals "P.S."."""
    marker = "".join(
        re.escape(letter) + r"\s?" if letter == "." else re.escape(letter)
        for letter in arguments.get_text("postscript_marker").lower()
    )
    return re.search(marker, answer.lower()) is not None


def has_bullets(answer: str, arguments: Arguments) -> bool:
    """Return whether exactly the required number of lines begin with "*" or "-"."""
    return len(re.findall(r"^\s*(?:\*[^*\n]|-).*$", answer, re.MULTILINE)) == arguments.get_int("num_bullets")


def is_constrained_response(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer holds an allowed response: of the argument `responses`, or of the published three."""
    given = arguments.values.get("responses") is not None
    return any(allowed in answer for allowed in (arguments.get_texts("responses") if given else _CONSTRAINED_RESPONSES))


def has_highlights(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer has the required number of highlights in *single* or **double** asterisks."""
    single = sum(bool(text.strip("*").strip()) for text in re.findall(r"\*[^\n*]*\*", answer))
    double = sum(bool(text.strip("*").strip()) for text in re.findall(r"\*\*[^\n*]*\*\*", answer))
    return single + double >= arguments.get_int("num_highlights")


def has_sections(answer: str, arguments: Arguments) -> bool:
    """Return whether the required number of sections have a heading of the word and a number, such as "SECTION 1"."""
    return len(re.findall(rf"{re.escape(arguments.get_text('section_spliter'))}\s?\d+", answer)) >= arguments.get_int(
        "num_sections"
    )


def is_json(answer: str, arguments: Arguments) -> bool:
    """Return whether the complete answer is JSON, with or without a code fence.

    The published rule takes a text in quotes and a number, too; the argument `json_types` asks for an object or array.
    """
    types = arguments.get_texts("json_types") if arguments.values.get("json_types") is not None else None
    fence = _FENCE.match(answer.strip())
    try:
        value = json.loads(fence[1] if fence else answer)
    except (ValueError, RecursionError):
        return False
    return types is None or any(isinstance(value, _JSON_TYPES[name]) for name in types if name in _JSON_TYPES)


def has_title(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer has a title in <<double angular brackets>>."""
    return any(text.strip("<>").strip() for text in re.findall(r"<<[^\n]+?>>", answer))


def has_two_responses(answer: str, arguments: Arguments) -> bool:
    """Return whether ****** separates two different responses."""
    responses = split_paragraphs(answer, "******")
    return responses is not None and len(responses) == 2 and responses[0] != responses[1]


def has_repeated_prompt(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer begins with the request, word for word, in any case."""
    return _normalize(answer).startswith(_normalize(arguments.get_text("prompt_to_repeat")))


def has_end_phrase(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer ends with the phrase, in any case; quotes around the answer are ignored."""
    return _normalize(answer).strip('"').rstrip().endswith(_normalize(arguments.get_text("end_phrase")))


def is_quoted(answer: str, arguments: Arguments) -> bool:
    """Return whether double quotes enclose the complete answer."""
    stripped = answer.strip()
    return len(stripped) > 1 and stripped[0] == stripped[-1] == '"'


def has_no_comma(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer has no comma of any script; the published rule checks "," alone."""
    return not _COMMAS.intersection(answer)


def is_english_uppercase(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer is English in capital letters."""
    return answer.isupper() and _is_english(answer)


def is_english_lowercase(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer is English in small letters."""
    return answer.islower() and _is_english(answer)


def _is_english(answer: str) -> bool:
    """Return whether the answer is English; an unidentified answer in the basic Latin alphabet counts as English."""
    language = identify_language(answer)
    return language == "en" or (language is None and is_latin(answer))


def is_in_language(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer is in the language; False where its language is not identified.

    Raises:
        EvaluationError: If languages.py does not know the language.
    """
    language = arguments.get_text("language").partition("-")[0].lower()
    if language not in LANGUAGES:
        raise EvaluationError(
            _(
                "instruction {instruction}: the language {language!r} cannot be identified; known languages: {languages}",
                instruction=arguments.instruction,
                language=language,
                languages=", ".join(sorted(LANGUAGES)),
            )
        )
    return identify_language(answer) == language


def _normalize(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip().lower()
