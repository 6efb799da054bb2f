"""Find placeholders that replace a missing text."""

from __future__ import annotations

import re
from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import shorten
from seodang.validation.checks.row_view import Check, Finding, Repairer, View, search
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="unfilled-placeholder",
        field="record",
        reason=Message("the text contains an unfilled template variable ({{name}}, ${name}, <YOUR_NAME> and the like)"),
        fix=Message("fill in its value; if the template is the task, let the instruction say so"),
    ),
    Rule(
        id="bracketed-blank",
        field="record",
        reason=Message("the text contains a blank in brackets or circles ([Name], [Insert text], ○○○ and the like)"),
        fix=Message("fill in the blank; if a form is the task, let the instruction say so"),
    ),
    Rule(
        id="placeholder-input",
        field="input",
        reason=Message("the input states that there is no input (<noinput>, N/A and the like)"),
        fix=Message("leave the input empty, as repair does"),
        repairable=True,
    ),
    Rule(
        id="placeholder-output",
        field="output",
        reason=Message("the output states that there is no output (<nooutput>, N/A and the like)"),
        fix=Message("write the answer, or delete the row"),
    ),
)

_VARIABLE: Final = re.compile(
    r"\{\{\s*[A-Za-z가-힣_][\w .-]{0,40}\s*\}\}|\$\{[A-Za-z_]\w{0,40}\}|<(?:YOUR|INSERT|ENTER)[ _][A-Z_ ]{2,40}>"
    r"|\b(?:INSERT|YOUR)_[A-Z_]{3,40}_HERE\b|\{\{\s*\}\}"
)
_BRACKETED_BLANK: Final = re.compile(
    r"\[(?:(?:your|my|insert|sender'?s?|recipient'?s?|company|customer|client|first|last|full"
    r"|sur)[ -][\w ',/-]{2,40}|name|date|address|city|company|position|product|topic"
    r"|(?:당신의 |귀하의 |본인 |여기에 )?(?:이름|성명|성함|날짜|주소|회사 ?(?:명|이름)?|직책|제품 ?명?|상품명"
    r"|고객 ?(?:명|이름)|학교 ?명?|부서|도시|지역|연락처))\]"
    r"|(?<![가-힣])[○◯〇OＯ]{2,3}(?= ?(?:씨|님|대리|과장|부장|대표|회사|학교|선생|교수|후보|의원)|(?:시|군"
    r"|구)(?![가-힣]))",
    re.IGNORECASE,
)
_CIRCLES: Final = re.compile("[○◯〇OＯ]{2}")
# The answer to these tasks is a form, which may contain blanks.
_FORM: Final = re.compile(
    r"letter|e-?mail|template|form\b|invit|memo|message|announce|speech|resume|résumé|\bcv\b|contract|agreement"
    r"|card|note\b|script|fill|blank|bracket|statement|press release"
    r"|notice"
    r"|review|introduc|greeting|\bad\b|advert|proposal|post\b|tweet|bio"
    r"|편지|메일|서식|양식|초대|메모|메시지|공지|연설|이력서|자기소개|계약|카드|빈칸|괄호|안내|소개|보도자료"
    r"|문자|광고|제안서|템플릿|대본|추천서|후기|리뷰|인사|축사|게시"
)

# Compared without white space, punctuation and case.
_NO_INPUT: Final = frozenset(
    (
        *(
            "noinput",
            "noinputs",
            "noinputrequired",
            "noinputneeded",
            "noinputnecessary",
            "noinputprovided",
            "noinputgiven",
            "noinputisrequired",
            "noinputisneeded",
        ),
        *(
            "noinputwasprovided",
            "inputnone",
            "inputna",
            "na",
            "none",
            "notapplicable",
            "notrequired",
            "notneeded",
            "noneprovided",
            "nonerequired",
            "nil",
            "null",
            "nan",
            "empty",
            "blank",
        ),
        *(
            "입력없음",
            "입력이없음",
            "입력이없습니다",
            "입력없습니다",
            "입력값없음",
            "입력값이없습니다",
            "입력필요없음",
            "입력이필요없습니다",
            "입력이필요하지않습니다",
            "입력불필요",
            "입력은없습니다",
        ),
        *(
            "노인입력",
            "없음",
            "해당없음",
            "해당사항없음",
            "해당없습니다",
            "해당사항이없습니다",
            "필요없음",
            "빈칸",
            "내용없음",
            "미입력",
            "무입력",
        ),
    )
)
# These may be meant literally: a keyword of a language, an answer, a value.
_DOUBTFUL: Final = frozenset(
    ("na", "none", "nil", "null", "nan", "empty", "blank", "없음", "빈칸", "필요없음", "notrequired", "notneeded")
)
_VALUE_TASK: Final = re.compile(
    r"\b(?:words?|keywords?|values?|terms?|synonyms?|antonyms?|types?|means?|meaning|translate|sentence|define"
    r"|string)\b|단어|낱말|값|뜻|의미|번역|동의어|반의어|문장|옮기|옮겨|영어로|한국어로|into (?:english|korean)"
)
_NO_OUTPUT: Final = frozenset(
    (
        *(
            "nooutput",
            "nooutputs",
            "nooutputrequired",
            "nooutputneeded",
            "nooutputprovided",
            "nooutputnecessary",
            "noanswer",
            "noresponse",
            "outputnone",
            "noinput",
            "notapplicable",
        ),
        *(
            "출력없음",
            "출력이없습니다",
            "출력값없음",
            "답없음",
            "답변없음",
            "응답없음",
            "노출력",
            "노인출력",
            "무응답",
            "입력없음",
            "해당없음",
            "해당사항없음",
            "출력이필요하지않습니다",
        ),
    )
)
_NO_ANSWER: Final = frozenset(("na", "none", "null", "nan", "nil", "없음", "tbd", "empty", "blank", "미정"))
# "None" may answer these questions.
_NONE_IS_AN_ANSWER: Final = re.compile(
    r"\b(?:any|none|null|n/a|identify|find|extract|detect|list|which|what|whether|is there|are there|how many"
    r"|return|output|value|result|error|mistake|missing|empty|classif\w*"
    r"|label)\b"
    r"|없|있|찾|추출|무엇|어느|어떤|몇|오류|결과|출력|분류|라벨|고르|감지|식별"
)
_NON_WORD: Final = re.compile(r"[\W_]+")
_MAX_CHARACTERS: Final = 40  # a longer text is not a placeholder


def _normalize(text: str) -> str:
    return _NON_WORD.sub("", text).casefold()


def is_empty_placeholder(text: str) -> bool:
    """Return whether the text only states that there is no text."""
    return len(text) <= _MAX_CHARACTERS and _normalize(text) in _NO_INPUT


def find_variable(view: View) -> Finding | None:
    """Return an unfilled variable, unless the record is about templates or code."""
    text = view.full_text
    if "{" not in text and "<" not in text and "_HERE" not in text:
        return None
    return search(view, _VARIABLE) if _VARIABLE.search(text) and not view.is_technical and "\\" not in text else None


def find_bracketed_blank(view: View) -> Finding | None:
    """Return a blank in brackets or circles, unless the task requests a form."""
    if "[" not in view.full_text and (view.full_text.isascii() or not _CIRCLES.search(view.full_text)):
        return None
    finding = search(view, _BRACKETED_BLANK)
    return None if finding is None or view.is_technical or _FORM.search(view.full_text.lower()) else finding


def find_placeholder_input(view: View) -> Finding | None:
    """Return an input that states that there is none; the input of a classification task may be any text."""
    text = view.input
    if (
        not text
        or view.has_choices
        or not is_empty_placeholder(text)
        or (_normalize(text) in _DOUBTFUL and _VALUE_TASK.search(view.request))
    ):
        return None
    return Finding("input", shorten(text))


def find_placeholder_output(view: View) -> Finding | None:
    """Return an output that states that there is none, unless "none" may answer the question."""
    text = view.answer
    if text[:12].casefold().lstrip("\\`'\"").startswith(("<nooutput", "< nooutput", "<no output", "[nooutput")):
        return Finding("output", shorten(text))
    if not text or len(text) > _MAX_CHARACTERS or view.has_choices:
        return None
    bare = _normalize(text)
    if bare in _NO_OUTPUT or (bare in _NO_ANSWER and not _NONE_IS_AN_ANSWER.search(view.task_text)):
        return Finding("output", shorten(text))
    return None


CHECKS: Final[dict[str, Check]] = {
    "unfilled-placeholder": find_variable,
    "bracketed-blank": find_bracketed_blank,
    "placeholder-input": find_placeholder_input,
    "placeholder-output": find_placeholder_output,
}
REPAIRERS: Final[dict[str, Repairer]] = {"placeholder-input": lambda text, view: ""}
