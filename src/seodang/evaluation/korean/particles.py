"""Particles in the wrong form for the final sound of the word before: 사과을, 책는, 학교으로.

은, 이, 을, 과 and 으로 follow a consonant, 는, 가, 를, 와 and 로 a vowel; 로 also follows ㄹ. A group in brackets does
not count: the form follows the word before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from seodang.evaluation.korean.passages import blank_code
from seodang.evaluation.korean.readings import find_final_sound
from seodang.hangul.analyzer import load_analyzer
from seodang.hangul.sounds import FinalSound, is_syllable

_FORMS: Final = {
    "은": "는", "는": "은", "이": "가", "가": "이", "을": "를", "를": "을", "과": "와", "와": "과", "으로": "로", "로": "으로",
}  # fmt: skip
_AFTER_CONSONANT: Final = frozenset(("은", "이", "을", "과", "으로"))
_PARTICLE: Final = re.compile(r"(?<=\S)(으로|[은는이가을를과와로])(?![\w(（/·])")
_CLOSING: Final = "'\"”’」』»》〉*_"
_OPENING_OF: Final = {")": "(", "]": "[", "）": "（"}
_BEFORE_PARTICLES: Final = "NSXJ"  # first letters of the tags of nouns, symbols, suffixes and particles
_MAX_BRACKET: Final = 60  # characters of a group in brackets before a particle
_MAX_WORD: Final = 30
_WORD: Final = re.compile(r"\S+\Z")
_WINDOW: Final = 40  # characters of context on each side for the analyzer
# The least gain in log-probability (nats) of the sentence with the other form. Labelled errors gain 6.7 to 24, other
# words at most -1. Names of families (국화과) that the analyzer does not know gain up to 8.
_MIN_GAIN: Final = 6.0
# Of 과, which may name a family, and where the analyzer takes noun and particle for one unknown noun (연필와 gains 23,
# transcriptions such as 할와 up to 8).
_MIN_GAIN_OF_UNKNOWN: Final = 10.0


@dataclass(frozen=True, slots=True)
class ParticleError:
    """A particle in the wrong form."""

    start: int
    """Position of the particle in the text, in characters."""
    end: int
    word: str
    """With the particle, as the text has it."""
    expected: str
    """The form that fits."""


def find_particle_errors(text: str) -> list[ParticleError]:
    """Return the particles whose form does not fit the word before, in order."""
    return [error for candidate in _iter_candidates(blank_code(text)) if (error := _confirm(candidate))]


@dataclass(frozen=True, slots=True)
class _Candidate:
    text: str
    start: int
    end: int
    expected: str
    is_certain: bool
    """No other word can end so: digits, Latin letters, quotes or brackets come before, or the form is 으로."""


def _iter_candidates(text: str) -> Iterator[_Candidate]:
    for match in _PARTICLE.finditer(text):
        start, form = match.start(), match[1]
        head_end = _find_head_end(text, start)
        if head_end is None:
            continue
        sound = find_final_sound(text[max(0, head_end - 40) : head_end])
        if sound is None or _fits(form, sound):
            continue
        is_certain = form == "으로" or head_end < start or not is_syllable(text[head_end - 1])
        if is_certain and _is_other_reading(text, head_end, match):
            continue
        yield _Candidate(text, start, match.end(), _FORMS[form], is_certain)


def _fits(form: str, sound: FinalSound) -> bool:
    if form in ("으로", "로"):
        return (form == "으로") == (sound == "other")
    return (form in _AFTER_CONSONANT) == bool(sound)


def _find_head_end(text: str, position: int) -> int | None:
    """Return where the word ends that decides: before closing quotes and a group in brackets; None without a word."""
    end = position
    while end and text[end - 1] in _CLOSING:
        end -= 1
    opening = _OPENING_OF.get(text[end - 1 : end])
    if opening:
        start = text.rfind(opening, max(0, end - _MAX_BRACKET), end)
        if start <= 0 or not is_syllable(text[start - 1]):
            return None
        return start
    return end if (end and text[end - 1].isalnum()) or text[end - 1 : end] == "%" else None


def _is_other_reading(text: str, head_end: int, match: re.Match[str]) -> bool:
    """Return whether digits come before another word: of a street (종로 2가) or a chapter (2과)."""
    return text[head_end - 1].isdigit() and match[1] in ("가", "과")


def _confirm(candidate: _Candidate) -> ParticleError | None:
    text, start, end = candidate.text, candidate.start, candidate.end
    if not candidate.is_certain:
        before, after = _select_context(candidate)
        if not _is_likelier(before, text[start:end], candidate.expected, after):
            return None
    word = _WORD.search(text, max(0, start - _MAX_WORD), start)
    return ParticleError(start, end, f"{word[0] if word else ''}{text[start:end]}", candidate.expected)


@lru_cache(maxsize=4096)
def _is_likelier(before: str, form: str, expected: str, after: str) -> bool:
    """Return whether a text is much likelier with the other form; not where that form is no particle there.

    The analyzer knows words such as 차이, 진로 and 먹는, which end like a particle in the wrong form.
    """
    analyzer = load_analyzer()
    position = len(before)
    words, written = analyzer.analyze(before + form + after)[0]
    nouns = [word for word in words if word.tag == "NNG" and word.start < position < word.start + word.len]
    if not all(noun.oov for noun in nouns):
        return False
    morphemes, corrected = analyzer.analyze(before + expected + after)[0]
    for noun, particle in pairwise(morphemes):
        if particle.start == position and particle.tag[0] == "J" and particle.form == expected:
            is_noun = noun.tag[0] in _BEFORE_PARTICLES or noun.tag == "ETN"
            minimum = _MIN_GAIN_OF_UNKNOWN if nouns or form == "과" else _MIN_GAIN
            return bool(is_noun and corrected - written >= minimum)
    return False


def _select_context(candidate: _Candidate) -> tuple[str, str]:
    """Return the text of the same line before and after the particle, at most 40 characters each."""
    before = candidate.text[max(0, candidate.start - _WINDOW) : candidate.start].rpartition("\n")[2]
    after = candidate.text[candidate.end : candidate.end + _WINDOW].partition("\n")[0]
    if len(before) == _WINDOW and " " in before:
        before = before.partition(" ")[2] or before
    return before, after
