"""Arithmetic on Hangul syllables, held to Unicode's own decomposition."""

import unicodedata

import pytest

from seodang.hangul.sounds import FINAL_RIEUL, FIRST_SYLLABLE, LAST_SYLLABLE, get_final, guess_final_sound, is_syllable


@pytest.mark.parametrize("code", [*range(FIRST_SYLLABLE, LAST_SYLLABLE, 211), LAST_SYLLABLE])
def test_the_final_consonant_is_that_of_the_decomposed_syllable(code):
    jamo = unicodedata.normalize("NFD", chr(code))
    assert get_final(chr(code)) == (ord(jamo[2]) - 0x11A7 if len(jamo) == 3 else 0)
    assert is_syllable(chr(code))


def test_other_characters_have_no_final_consonant():
    assert [get_final(character) for character in "aㄱ9漢"] == [0] * 4
    assert not any(map(is_syllable, ["a", "ㄱ", "", "가나"]))
    assert get_final("물") == FINAL_RIEUL


def test_a_message_guesses_what_it_cannot_know():
    assert (guess_final_sound("USB"), guess_final_sound("MP3"), guess_final_sound("값(Python)")) == (
        "",
        "other",
        "other",
    )
    assert guess_final_sound("...") is None
