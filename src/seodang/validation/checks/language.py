"""Find answers in a language or script that the task does not call for."""

from __future__ import annotations

import re
from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import shorten
from seodang.validation.checks.row_view import Check, Finding, View, create_finding
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="output-language",
        field="output",
        reason=Message("the output to a Korean instruction is not Korean, or the output to an English one is Korean"),
        fix=Message("translate the output, or let the instruction request the other language"),
    ),
    Rule(
        id="foreign-script",
        field="output",
        reason=Message("the output contains a script that the task does not call for (kana, Han, Cyrillic and others)"),
        fix=Message("translate that part into the language of the instruction"),
    ),
)

_HANGUL: Final = re.compile("[가-힣ㄱ-ㅎㅏ-ㅣ]")
_WORD: Final = re.compile(r"[A-Za-z]{2,}")
_LATIN: Final = re.compile("[A-Za-z]")
_FUNCTION_WORD: Final = re.compile(
    r"(?:^|[^A-Za-z])(?:the|is|are|was|of|and|to|a|in|you|it|that|for|with|my|we|this|have|be|not|on"
    r"|your)(?![A-Za-z])",
    re.IGNORECASE,
)
# The answer to these tasks may be in another language or in none: translation, code, names, forms.
_OTHER_LANGUAGE_TASK: Final = re.compile(
    r"translat|korean|hangul|english|french|spanish|german|italian|latin\b|portuguese|language|번역|영작|영어"
    r"|영문|한국어|한글|영단어|외국어|언어|프랑스어|스페인어|독일어|이탈리아어|라틴어|로마자|알파벳|철자|맞춤법"
    r"|문법|발음|약어|두문자|애너그램|해시태그|url|주소|도메인|이메일|아이디|비밀번호|암호|공식|방정식|화학|모스"
    r"|이진|16진|원문|로 옮|음차|운율|ascii"
)

# Kana, Cyrillic, Arabic, Hebrew, Devanagari, Thai. Han letters count from two on and not after a parenthesis,
# because Korean texts add Han glosses in parentheses.
_SCRIPTS: Final = re.compile(
    "[\u3041-\u30fa\u30fc-\u30ff]{2,}|[\u0400-\u04ff]{2,}|[\u0590-\u05ff]{2,}|[\u0600-\u06ff]{2,}"
    "|[\u0900-\u097f]{2,}|[\u0e00-\u0e7f]{2,}"
    "|(?<![(（\u4e00-\u9fff])[\u4e00-\u9fff]{2,}"
)
_SCRIPT_TASK: Final = re.compile(
    r"translat|language|japan|chin[ae]|russia|ukrain|arab|hindi|thai|hebrew|greek|korea|kanji|mandarin|cantonese"
    r"|cyrillic|say |phrase|greeting|word|script|character|symbol"
    r"|emoji|kaomoji|asian?\b"
    r"|번역|언어|외국어|일본|중국|러시아|우크라|아랍|힌디|인도|태국|히브리|그리스|한자|사자성어|고사성어|성어"
    r"|한문|한시|가나|간체|번체|만다린|불교|유교|논어|인사|이름|문자|어원|이모"
)


def _is_code(text: str) -> bool:
    """Return whether more than 12 % of the text are symbols and digits, as in code and formulas."""
    return sum(letter in "{}[]()<>=;_/\\|+*^$#@0123456789" for letter in text) > len(text) * 0.12


def find_language(view: View) -> Finding | None:
    """Return an output of at least `min_other_language_words` words in the other language."""
    text = view.answer
    if not text or view.has_choices:
        return None
    is_korean = _HANGUL.search(view.instruction) is not None
    if is_korean == (_HANGUL.search(text) is not None):
        return None
    if not is_korean:
        return _find_korean_answer(view)
    if view.is_technical or _OTHER_LANGUAGE_TASK.search(view.task_text) or _WORD.search(text) is None or _is_code(text):
        return None
    return Finding("output", shorten(text)) if is_sentence(text, view.limits.min_other_language_words) else None


def is_sentence(text: str, least: int) -> bool:
    """Return whether a text without Hangul has `least` English words, and function words among them.

    Names and terms alone are not a sentence.
    """
    words = len(_WORD.findall(text))
    return words >= least and _HANGUL.search(text) is None and len(_FUNCTION_WORD.findall(text)) >= words // 12 + 1


def is_korean_text(text: str, least: int) -> bool:
    """Return whether a text has `least` Hangul letters, and more of them than Latin ones."""
    hangul = len(_HANGUL.findall(text))
    return hangul >= least and hangul > len(_LATIN.findall(text))


def _find_korean_answer(view: View) -> Finding | None:
    text = view.answer
    if (
        not view.instruction.isascii()
        or _WORD.search(view.instruction) is None
        or _HANGUL.search(view.input)
        or _OTHER_LANGUAGE_TASK.search(view.task_text)
    ):
        return None
    return Finding("output", shorten(text)) if is_korean_text(text, view.limits.min_other_language_words) else None


def find_script(view: View) -> Finding | None:
    """Return letters of a third script that instruction and input neither use nor mention."""
    text = view.output
    if not view.has_unusual_letters or text.isascii() or (match := _SCRIPTS.search(text)) is None:
        return None
    if _SCRIPTS.search(view.task_text) or _SCRIPT_TASK.search(view.task_text):
        return None
    return create_finding("output", text, match.start())


CHECKS: Final[dict[str, Check]] = {"output-language": find_language, "foreign-script": find_script}
