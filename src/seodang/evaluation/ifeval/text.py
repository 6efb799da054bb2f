"""Words, sentences and paragraphs of an answer, in Korean and in English."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_HANGUL: Final = "\uac00-\ud7a3"
_WORD: Final = re.compile(r"\w+")
_CASED_WORD: Final = re.compile(r"\w+(?:[-.]\w+)*")
# What may end a sentence, with the quotes and brackets that it closes.
_END: Final = re.compile(r"[.!?…。！？]+[\"'”’」』)\]*]*")
_HANGUL_LETTER: Final = re.compile(f"[{_HANGUL}]")
_ABBREVIATION: Final = re.compile(r"(?:^|[^\w.])(?:mr|mrs|ms|dr|prof|rev|gen|sen|rep|st|mt|vs|no|fig|vol|[a-z]|(?:[a-z]\.)+[a-z])$", re.IGNORECASE)
_LIST_NUMBER: Final = re.compile(r"(?:^|\n)\s*\d+$")


def words(text: str) -> list[str]:
    """Return the words: runs of letters and digits, as the published rules count them; Korean ones are those between blanks."""
    return _WORD.findall(unicodedata.normalize("NFC", text))


def cased_words(text: str) -> list[str]:
    """Return the words, hyphens and dots within them kept: "WELL-KNOWN" is one."""
    return _CASED_WORD.findall(text)


def sentences(text: str) -> list[str]:
    """Return the sentences; what stands behind the last end mark is one too.

    A mark ends a sentence before a blank, and between syllables of Hangul ("했다.그리고"), where the blank is often forgotten. It
    does not behind an abbreviation, an initial or the number of a list, nor before a small letter, unless the whole text is in
    small letters. A line break is no end. The published rules use NLTK's Punkt, which goes by the same signs, learnt.
    """
    text = unicodedata.normalize("NFC", text)
    small = text.lower() == text
    found, start = [], 0
    for mark in _END.finditer(text):
        if _ends(text, mark, small=small):
            found.append(text[start : mark.end()])
            start = mark.end()
    return [sentence.strip() for sentence in (*found, text[start:]) if _WORD.search(sentence)]


def _ends(text: str, mark: re.Match[str], *, small: bool) -> bool:
    before, behind = text[: mark.start()], text[mark.end() :]
    if behind and not behind[0].isspace() and mark[0][-1] not in "。！？":
        return bool(_HANGUL_LETTER.match(behind) and _HANGUL_LETTER.match(before[-1:]))
    if mark[0] == "." and (_ABBREVIATION.search(before[-12:]) or _LIST_NUMBER.search(before[-12:])):
        return not behind.strip()
    following = behind.lstrip()[:1]
    return small or not (following.isascii() and following.islower())


def paragraphs(text: str, divider: str) -> list[str] | None:
    """Return the paragraphs between dividers, those at the ends left out if blank; None if one in between is blank.

    Args:
        divider: Such as "***".
    """
    parts = [part.strip() for part in text.split(divider)]
    if any(not part for part in parts[1:-1]):
        return None
    return [part for part in parts if part]
