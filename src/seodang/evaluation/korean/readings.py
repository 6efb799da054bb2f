"""The final sound of a written word, where its reading is certain. Pure."""

from __future__ import annotations

import re
from typing import Final

from seodang.hangul.sounds import DIGIT_SOUNDS, LETTER_SOUNDS, FinalSound, get_final, is_syllable, name_sound

# After Latin letters a digit may be read in English: "MP3" ends in a vowel. These sound alike in both readings.
_SHARED_DIGIT_SOUNDS: Final[dict[str, FinalSound]] = dict.fromkeys("245", "")
# Units whose names are certain; kg is read as 킬로 or 킬로그램, L as 리터 or 엘.
_UNIT_SOUNDS: Final[dict[str, FinalSound]] = {
    **dict.fromkeys(("m", "km", "cm", "mm", "KB", "MB", "GB", "TB", "Hz", "GHz", "W", "V"), ""),
}
_WORD: Final = re.compile(r"(?P<number>(?<![A-Za-z])\d[\d.,]*)?(?P<latin>[A-Za-z]+)$")
_NUMBER_AFTER_LATIN: Final = re.compile(r"[A-Za-z][- ]?(\d[\d.,]*)$")
# $5 is read as 5달러, 1/2 as 2분의 1 and 9:00 as 9시.
_UNCERTAIN_NUMBER: Final = re.compile(r"(?:(?:[$€£¥₩]|\.\.+)\s?\d[\d.,]*|\d/\d+|\d:\d\d)$")
_VOWELS: Final = frozenset("aeiouy")


def find_final_sound(text: str) -> FinalSound | None:
    """Return the final sound of the last word of a text; None where the reading is not certain.

    Capital letters without a vowel are spelled, as in URL; so are two capitals. Of other Latin words only the ends
    count that have one sound in Korean: "Python" ends in ㄴ, "server" in a vowel, but "internet" and "chart" differ.
    """
    last = text[-1:]
    if is_syllable(last):
        return name_sound(get_final(last))
    if last in DIGIT_SOUNDS:
        if _UNCERTAIN_NUMBER.search(text[-20:]):
            return None
        number = _NUMBER_AFTER_LATIN.search(text[-20:])
        if number is None:
            return DIGIT_SOUNDS[last]
        return _SHARED_DIGIT_SOUNDS.get(last) if len(number[1]) == 1 else None
    match = _WORD.search(text[-40:])
    if match is None:
        return None
    return _UNIT_SOUNDS.get(match["latin"]) if match["number"] else _find_latin_sound(match["latin"])


def _find_latin_sound(word: str) -> FinalSound | None:
    lower = word.lower()
    if len(word) > 1 and len(set(word)) == 1:  # OO and XXX stand for a name
        return None
    if len(word) == 1 or (word.isupper() and (len(word) == 2 or _VOWELS.isdisjoint(lower))):
        return LETTER_SOUNDS[lower[-1]]
    if lower.endswith("l"):
        return "ㄹ"
    if lower.endswith(("m", "n", "ng")):
        return "other"
    if lower.endswith(("a", "i", "o", "u", "y")):
        return ""
    if word.isupper():  # may be spelled or read as a word: USB, JPEG
        return None
    return "ㄹ" if re.search(r"[^aeiou]le$", lower) else "" if re.search(r"(ee|[aeiou]r)$", lower) else None
