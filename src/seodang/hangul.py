"""Sounds of Korean words: arithmetic on Hangul syllables, and the readings of letters and digits. Pure.

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
_DIGIT_SOUNDS: Final[dict[str, FinalSound]] = {
    **dict.fromkeys("036", "other"),  # 영, 삼, 육; also 십, 백, 천
    **dict.fromkeys("178", "ㄹ"),  # 일, 칠, 팔
    **dict.fromkeys("2459%", ""),  # 이, 사, 오, 구, 퍼센트
}
# After Latin letters a digit may be read in English: "MP3" ends in a vowel. These sound alike in both readings.
_SHARED_DIGIT_SOUNDS: Final[dict[str, FinalSound]] = dict.fromkeys("245", "")
# Units whose names are certain; "5g" may be a mobile network, and L is read as 리터 or 엘.
_UNIT_SOUNDS: Final[dict[str, FinalSound]] = {
    **dict.fromkeys(("kg", "mg"), "other"),  # 그램
    **dict.fromkeys(("m", "km", "cm", "mm", "KB", "MB", "GB", "TB", "Hz", "GHz", "W", "V"), ""),
}
_LETTER_SOUNDS: Final[dict[str, FinalSound | None]] = {
    **dict.fromkeys("abcdefghijkopqstuvwxyz", ""),
    "l": "ㄹ",  # 엘
    "m": "other",  # 엠
    "n": "other",  # 엔
    "r": None,  # 아르 and 알
}
_WORD: Final = re.compile(r"(?P<number>(?<![A-Za-z])\d[\d.,]*)?(?P<latin>[A-Za-z]+)$")
_DIGIT_AFTER_LATIN: Final = re.compile(r"[A-Za-z][- ]?\d[\d.,]*$")
_UNCERTAIN_NUMBER: Final = re.compile(r"(?:[$€£¥₩]|\.\.+)\s?\d[\d.,]*$")  # $5 is read as 5달러
_VOWELS: Final = frozenset("aeiouy")


def is_syllable(character: str) -> bool:
    """Return whether a character is a Hangul syllable."""
    return len(character) == 1 and FIRST_SYLLABLE <= ord(character) <= LAST_SYLLABLE


def get_final(syllable: str) -> int:
    """Return the index of a syllable's final consonant, 0 to 27; 0 also for any other character."""
    return (ord(syllable) - FIRST_SYLLABLE) % FINALS if is_syllable(syllable) else 0


def find_final_sound(text: str) -> FinalSound | None:
    """Return the final sound of the last word of a text; None where the reading is not certain.

    Capital letters without a vowel are spelled, as in URL; so are two capitals. Of other Latin words only the ends
    count that have one sound in Korean: "Python" ends in ㄴ, "server" in a vowel, but "internet" and "chart" differ.
    """
    last = text[-1:]
    if is_syllable(last):
        return _name_sound(get_final(last))
    if last in _DIGIT_SOUNDS:
        if _UNCERTAIN_NUMBER.search(text[-20:]):
            return None
        sounds = _SHARED_DIGIT_SOUNDS if _DIGIT_AFTER_LATIN.search(text[-20:]) else _DIGIT_SOUNDS
        return sounds.get(last)
    match = _WORD.search(text[-40:])
    if match is None:
        return None
    return _UNIT_SOUNDS.get(match["latin"]) if match["number"] else _find_latin_sound(match["latin"])


def _name_sound(final: int) -> FinalSound:
    return "ㄹ" if final == FINAL_RIEUL else "other" if final else ""


def _find_latin_sound(word: str) -> FinalSound | None:
    lower = word.lower()
    if len(word) > 1 and len(set(word)) == 1:  # OO and XXX stand for a name
        return None
    if len(word) == 1 or (word.isupper() and (len(word) == 2 or _VOWELS.isdisjoint(lower))):
        return _LETTER_SOUNDS[lower[-1]]
    if lower.endswith("l"):
        return "ㄹ"
    if lower.endswith(("m", "n", "ng")):
        return "other"
    if lower.endswith(("a", "i", "o", "u", "y")):
        return ""
    if word.isupper():  # may be spelled or read as a word: USB, JPEG
        return None
    return "ㄹ" if re.search(r"[^aeiou]le$", lower) else "" if re.search(r"(ee|[aeiou]r)$", lower) else None


def guess_final_sound(text: str) -> FinalSound | None:
    """Return the likely final sound of a text's last word, for messages that must choose; None without a word.

    Closing quotes, and a group in brackets after a word, have no influence.
    """
    for ignored in _IGNORED_ENDS:
        text = re.sub(ignored, "", text)
    last = text[-1:]
    if is_syllable(last):
        return _name_sound(get_final(last))
    if last in _DIGIT_SOUNDS:
        return _DIGIT_SOUNDS[last]
    latin = re.search(r"[A-Za-z]+$", text)
    return None if latin is None else _guess_latin_sound(latin[0])


def _guess_latin_sound(word: str) -> FinalSound:
    if word.isupper():  # an acronym is spelled: DVC, URL
        return "ㄹ" if word[-1] == "R" else _LETTER_SOUNDS[word[-1].lower()] or ""
    ending = word.lower()
    if ending.endswith(("l", "le")):
        return "ㄹ"
    return "other" if ending.endswith(("m", "n", "me", "ne", "ng", "ck")) else ""
