"""Sounds of Korean words: arithmetic on Hangul syllables, and the names of letters and digits. Pure.

The code point of a syllable is 0xAC00 + (lead * 21 + vowel) * 28 + final. A final of 0 means no final consonant
(Unicode Standard, section 3.12, "Conjoining Jamo Behavior"). Korean particles have two forms, and the final sound of
the word before decides (은/는, 이/가, 을/를, 과/와, 으로/로).
"""

from __future__ import annotations

import re
from typing import Final, Literal

FIRST_SYLLABLE: Final = 0xAC00
LAST_SYLLABLE: Final = 0xD7A3
FINALS: Final = 28
"""Finals of a syllable; the first one is none."""
FINAL_RIEUL: Final = 8
"""Index of ㄹ among the finals."""
FINAL_BIEUP: Final = 17
"""Index of ㅂ among the finals."""

FinalSound = Literal["", "ㄹ", "other"]
"""A vowel, ㄹ, or another consonant."""

_IGNORED_ENDS: Final = (r"(</[^<>]*>)+$", r"['\"`”’」』]+$", r"(?<=\S)\([^()]*\)$", r"[^\w%]+$")
DIGIT_SOUNDS: Final[dict[str, FinalSound]] = {
    **dict.fromkeys("036", "other"),  # 영, 삼, 육; also 십, 백, 천
    **dict.fromkeys("178", "ㄹ"),  # 일, 칠, 팔
    **dict.fromkeys("2459%", ""),  # 이, 사, 오, 구, 퍼센트
}
"""By the last digit; "%" is a vowel."""
LETTER_SOUNDS: Final[dict[str, FinalSound | None]] = {
    **dict.fromkeys("abcdefghijkopqstuvwxyz", ""),
    "l": "ㄹ",  # 엘
    "m": "other",  # 엠
    "n": "other",  # 엔
    "r": None,  # 아르 and 알
}
"""Of the names of the letters; None where there are two names."""


def is_syllable(character: str) -> bool:
    """Return whether a character is a Hangul syllable."""
    return len(character) == 1 and FIRST_SYLLABLE <= ord(character) <= LAST_SYLLABLE


def get_final(syllable: str) -> int:
    """Return the index of a syllable's final consonant, 0 to 27; 0 also for any other character."""
    return (ord(syllable) - FIRST_SYLLABLE) % FINALS if is_syllable(syllable) else 0


def name_sound(final: int) -> FinalSound:
    """Return the sound of a final by its index."""
    return "ㄹ" if final == FINAL_RIEUL else "other" if final else ""


def guess_final_sound(text: str) -> FinalSound | None:
    """Return the likely final sound of a text's last word, for messages that must choose; None without a word.

    Closing quotes, and a group in brackets after a word, have no influence.
    """
    for ignored in _IGNORED_ENDS:
        text = re.sub(ignored, "", text)
    last = text[-1:]
    if is_syllable(last):
        return name_sound(get_final(last))
    if last in DIGIT_SOUNDS:
        return DIGIT_SOUNDS[last]
    latin = re.search(r"[A-Za-z]+$", text)
    return None if latin is None else _guess_latin_sound(latin[0])


def _guess_latin_sound(word: str) -> FinalSound:
    if word.isupper():  # an acronym is spelled: DVC, URL
        return "ㄹ" if word[-1] == "R" else LETTER_SOUNDS[word[-1].lower()] or ""
    ending = word.lower()
    if ending.endswith(("l", "le")):
        return "ㄹ"
    return "other" if ending.endswith(("m", "n", "me", "ne", "ng", "ck")) else ""
