"""Words, sentences and paragraphs of an answer, in Korean and in English."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_HANGUL: Final = "\uac00-\ud7a3"
_WORD: Final = re.compile(r"\w+")
_CASED_WORD: Final = re.compile(r"\w+(?:[-.]\w+)*")
# What may end a sentence, with the quotes and brackets that it closes.
_END_MARK: Final = re.compile(r"[.!?…。！？]+[\"'”’」』)\]*]*")
_HANGUL_LETTER: Final = re.compile(f"[{_HANGUL}]")
_ABBREVIATION: Final = re.compile(
    r"(?:^|[^\w.])(?:mr|mrs|ms|dr|prof|rev|gen|sen|rep|st|mt|vs|[a-z]|(?:[a-z]\.)+[a-z])$", re.IGNORECASE
)
_NUMBER_ABBREVIATION: Final = re.compile(r"\b(?:no|fig|vol|pp)$", re.IGNORECASE)  # abbreviations before a number only
_LIST_NUMBER: Final = re.compile(r"(?:^|\n)\s*\d+$")
_LIST_ITEM: Final = re.compile(r"\n(?=\s*\d+[.)]\s)")


def split_words(text: str) -> list[str]:
    """Return the words: runs of letters and digits, as the published rules count them; Korean ones are those between blanks."""
    return _WORD.findall(unicodedata.normalize("NFC", text))


def split_cased_words(text: str) -> list[str]:
    """Return the words, hyphens and dots within them kept: "WELL-KNOWN" is one."""
    return _CASED_WORD.findall(text)


def split_sentences(text: str) -> list[str]:
    """Return the sentences; what stands behind the last end mark is one too.

    A mark ends a sentence before a blank, and between syllables of Hangul ("했다.그리고"), where the blank is often forgotten, but
    not where a quote ends and a particle follows ("하세요."라고). It does not behind an abbreviation, an initial or the number of a
    list, nor before a small letter, unless the whole text is in small letters. A line break is no end, but a point of a numbered
    list begins a sentence.

    The published rules use NLTK's Punkt, learnt from English. On 2,500 Alpaca answers in English and Korean the counts are equal
    for nine in ten; the others are lists, where Punkt counts the numbers as sentences.
    """
    text = unicodedata.normalize("NFC", text)
    is_lower = text.lower() == text
    return [sentence for block in _LIST_ITEM.split(text) for sentence in _iter_sentences(block, is_lower=is_lower)]


def _iter_sentences(text: str, *, is_lower: bool) -> Iterator[str]:
    start = 0
    for mark in _END_MARK.finditer(text):
        if _is_sentence_end(text, mark, is_lower=is_lower):
            yield from _iter_nonempty(text[start : mark.end()])
            start = mark.end()
    yield from _iter_nonempty(text[start:])


def _iter_nonempty(sentence: str) -> Iterator[str]:
    if _WORD.search(sentence):
        yield sentence.strip()


def _is_sentence_end(text: str, mark: re.Match[str], *, is_lower: bool) -> bool:
    before, after = text[: mark.start()], text[mark.end() :]
    if after and not after[0].isspace() and mark[0][-1] not in "。！？":
        return mark[0][-1] in ".!?…" and bool(_HANGUL_LETTER.match(after) and _HANGUL_LETTER.match(before[-1:]))
    if mark[0] == "." and (_ABBREVIATION.search(before[-12:]) or _LIST_NUMBER.search(before[-12:])):
        return not after.strip()
    following = after.lstrip()[:1]
    if mark[0] == "." and following.isdecimal() and _NUMBER_ABBREVIATION.search(before[-12:]):
        return False
    return is_lower or not (following.isascii() and following.islower())


def split_paragraphs(text: str, divider: str) -> list[str] | None:
    """Return the paragraphs between dividers, those at the ends left out if blank; None if one in between is blank.

    Args:
        divider: Such as "***".
    """
    parts = [part.strip() for part in text.split(divider)]
    if any(not part for part in parts[1:-1]):
        return None
    return [part for part in parts if part]
