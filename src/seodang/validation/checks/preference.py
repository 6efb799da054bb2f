"""Check preference data: pairs of a chosen and a rejected answer, and single answers marked good or bad."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import REJECTED_BLANK, Row, get_field_error, shorten
from seodang.validation.checks.language import is_korean_text, is_sentence
from seodang.validation.checks.row_view import Check, Finding, View
from seodang.validation.checks.rule import Rule
from seodang.validation.checks.truncation import MIN_CUT_CHARACTERS, SENTENCE_END, ends_cut, ends_open, has_open_code

RULES: Final = (
    Rule(
        id="pair-equal",
        field="record",
        reason=Message("the chosen and the rejected answer of a preference pair are the same"),
        fix=Message("make the two answers differ, or leave the row out"),
    ),
    Rule(
        id=REJECTED_BLANK,
        field="record",
        reason=Message("the rejected answer of a preference pair is blank or absent"),
        fix=Message("fill in the rejected answer, or delete the row"),
    ),
    Rule(
        id="pair-truncated",
        field="record",
        reason=Message(
            "one answer of a preference pair ends in the middle of a sentence, a list or code, or is the other one cut off"
        ),
        fix=Message(
            "complete the answer: the model would learn to write cut answers, or that a cut answer is the worse one and"
            " nothing else; if the answers are complete without a full stop, set expectations.actions.pair_truncated to"
            " warn"
        ),
    ),
    Rule(
        id="rejected-language",
        field="record",
        reason=Message("the rejected answer is not in the language of the chosen one"),
        fix=Message(
            "give both answers in one language: the model would learn the language and not what makes an answer good; to "
            "teach the language set expectations.actions.rejected_language to warn"
        ),
    ),
)

# Someone compared or marked the answer. So a refusal may be the better answer to a question that nobody can answer.
_OF_UNRATED_ROWS: Final = frozenset(
    {"refusal", "asks-back", "beyond-text", "current-data", "external-link", "external-media"}
)
# A bad answer is there to be bad.
_OF_GOOD_ANSWERS: Final = _OF_UNRATED_ROWS | {
    *("output-equals-instruction", "instruction-echo", "output-equals-input", "truncated", "repetition", "loop"),
    *("claimed-action", "human-experience", "bare-number", "wrong-result"),
}
# pair-truncated looks at both answers.
_OF_PAIRS: Final = _OF_UNRATED_ROWS | {"truncated"}
_ENDS: Final = " \t\n.,!?…。！？\"'“”‘’`"


_MIN_PROSE_CHARACTERS: Final = 120
# Titles, slogans, verses and the words for a gap end as they like.
_PHRASE_TASK: Final = re.compile(
    r"\b(?:titles?|headlines?|slogans?|taglines?|mottos?|captions?|lyrics?|poems?|haikus?|songs?|verses?|blanks?"
    r"|(?:complete|continue|finish) (?:the|this) (?:sentence|phrase|line|text|story)"
    r"|which (?:word|article|conjunction))\b"
    r"|제목|슬로건|표어|문구|카피|구호|건배사|가사|노래|(?:^|\s)시(?:를|의|로)?(?:\s|$)|빈칸|이어서|이어 (?:쓰|써)"
    r"|조사를 (?:고|쓰|넣|바)|목적어|접속사"
)
# After these a short answer is complete, whatever the other one adds.
_ENDS_COMPLETE: Final = re.compile(SENTENCE_END.pattern + r"|[ㄱ-ㅎㅏ-ㅣ^;☀-➿\U0001F000-\U0001FAFF\uFE0F]$")
_SENTENCE_END_KO: Final = re.compile(r"[다요죠까]$")
# What follows is a part of its own: another line, a bracket, the next item of a list, a full stop, a copula.
_BREAK: Final = re.compile(
    r"[ \t]*(?:\n|[^\w\s]|$|(?:입니다|이다|이에요|예요|이야|임|함|합니다|됩니다|했습니다|됐습니다)[.!]?$)"
)
_INFLECTION: Final = re.compile(r"(?:s|es|d|ed|ing|r|er|est|ly)(?![a-z])")
_KOREAN_ENDING: Final = re.compile(r"(?:니다|니까|습니다)(?![가-힣])")


def get_exempt_rules(row: Row) -> frozenset[str]:
    """Return the ids of the rules that a preference row does not have to keep, as its answer was compared or marked."""
    if row.get("desirable") is False:
        return _OF_GOOD_ANSWERS
    if row.get("rejected"):
        return _OF_PAIRS
    return _OF_UNRATED_ROWS if is_preference(row) else frozenset()


def is_preference(row: Row) -> bool:
    """Return whether a row is a pair or a marked answer."""
    return bool(row.get("rejected")) or row.get("desirable") is not None


def reduce_answer(text: str) -> str:
    """Return what two answers must differ in: not in case, white space, compatible characters or signs at the ends."""
    visible = "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")
    reduced = " ".join(visible.casefold().split())
    return reduced.strip(_ENDS) or reduced


def _get_rejected(view: View) -> str:
    rejected = view.row.get("rejected")
    return rejected if isinstance(rejected, str) and view.answer else ""


def find_equal_pair(view: View) -> Finding | None:
    """Return the rejected answer if it equals the chosen one."""
    rejected = _get_rejected(view)
    is_equal = bool(rejected) and reduce_answer(rejected) == reduce_answer(view.output)
    return Finding("rejected", shorten(rejected)) if is_equal else None


def find_blank_rejected(view: View) -> Finding | None:
    """Return the field error that the reader leaves for a pair without a rejected answer."""
    value = view.row.get("rejected")
    return Finding("rejected", shorten(value)) if get_field_error(value) == REJECTED_BLANK else None


def find_truncated_pair(view: View) -> Finding | None:
    """Return an answer of a pair that is cut off: by its own end, or because the other answer continues it."""
    rejected = _get_rejected(view).strip()
    if not rejected or view.has_choices:
        return None
    short, long = sorted((view.answer, rejected), key=len)
    for answer, other in ((short, long), (long, short)):
        if (answer is short and _is_beginning(short, long, view)) or _is_cut(answer, other, view):
            return Finding(
                "output" if answer == view.answer else "rejected", shorten(f"…{answer[-MIN_CUT_CHARACTERS:]}")
            )
    return None


def _is_cut(answer: str, other: str, view: View) -> bool:
    """Return whether an answer ends where no answer ends; a short one without an end may be a phrase, as the other."""
    if has_open_code(answer):
        return True
    is_verse = len(answer) < _MIN_PROSE_CHARACTERS or "\n" in answer
    if view.is_technical or (is_verse and _PHRASE_TASK.search(view.request)):
        return False
    return ends_cut(answer) or (ends_open(answer) and _is_sentence(other))


def _is_beginning(short: str, long: str, view: View) -> bool:
    """Return whether the long answer continues the short one in the middle of a sentence; an answer may be short.

    "Paris" is no beginning of "Paris is the capital of France.", but "Paris is the cap" is.
    """
    rest = long[len(short) :]
    if not long.startswith(short) or _ENDS_COMPLETE.search(short) or _BREAK.match(rest):
        return False
    # Where neither answer has an end, both may be phrases.
    if not (_is_sentence(long) or (view.is_technical and "\n" in rest)):
        return False
    if rest[0].isspace() and _is_sentence(short):
        return False
    is_in_word = short[-1].isascii() and short[-1].isalpha() and rest[0].isalpha() and " " in short
    if is_in_word and _INFLECTION.match(rest):
        return False
    is_long = len(short) >= MIN_CUT_CHARACTERS and not view.is_technical
    return is_long or is_in_word or (_KOREAN_ENDING.match(rest) is not None)


def _is_sentence(text: str) -> bool:
    return SENTENCE_END.search(text) is not None or _SENTENCE_END_KO.search(text) is not None


def find_other_language(view: View) -> Finding | None:
    """Return a rejected answer that is written in another language than the chosen one."""
    rejected = _get_rejected(view)
    if not rejected or view.has_choices or view.is_technical or _LANGUAGE_TASK.search(view.request):
        return None
    least = view.limits.min_other_language_words
    korean, english = (
        [is_korean_text(text, least) for text in (view.answer, rejected)],
        [is_sentence(text, least) for text in (view.answer, rejected)],
    )
    differs = (korean[0] and english[1]) or (english[0] and korean[1])
    return Finding("rejected", shorten(rejected)) if differs else None


# In these tasks the language is the answer.
_LANGUAGE_TASK: Final = re.compile(r"translat|번역|영작|로 옮")

CHECKS: Final[dict[str, Check]] = {
    "pair-equal": find_equal_pair,
    REJECTED_BLANK: find_blank_rejected,
    "pair-truncated": find_truncated_pair,
    "rejected-language": find_other_language,
}
