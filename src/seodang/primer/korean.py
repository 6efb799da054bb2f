"""Build Korean word forms, endings and particles, by arithmetic on Hangul syllables.

A tail is a final consonant; 0 means none (see seodang.hangul).
"""

from __future__ import annotations

import re

from seodang.hangul.sounds import FINAL_BIEUP, FINAL_RIEUL, get_final

_TAIL_RIEUL_MIEUM = 10  # ㄻ
_TAIL_MIEUM = 16  # ㅁ
_TAIL_SSANGSIOT = 20  # ㅆ


def has_tail(word: str) -> bool:
    """Return whether the last syllable of `word` ends with a consonant (받침)."""
    return get_final(word[-1]) != 0


def add_particle(word: str, with_tail: str, without_tail: str) -> str:
    """Return `word` with the particle for its last sound: 물은, 차는."""
    return word + (with_tail if has_tail(word) else without_tail)


_PARTICLES = {
    "를": ("을", "를"),
    "가": ("이", "가"),
    "로": ("으로", "로"),
    "예요": ("이에요", "예요"),
    "와": ("과", "와"),
    "는": ("은", "는"),
}
_SLOT_PARTICLE = re.compile(r"(\w)\|(를|가|로|예요|와|는)")


def resolve_particles(sentence: str) -> str:
    """Return the sentence with each marked particle ("책|를") in the form for its word (책을)."""

    def replace_match(match: re.Match[str]) -> str:
        word, (closed, opened) = match[1], _PARTICLES[match[2]]
        return add_particle(word, closed, opened)

    return _SLOT_PARTICLE.sub(replace_match, sentence)


def _add_tail(word: str, tail: int) -> str:
    return word[:-1] + chr(ord(word[-1]) + tail)


def _get_tail(word: str) -> int:
    return get_final(word[-1])


def _drop_rieul(stem: str) -> str:
    """Return `stem` without its final ㄹ, as before ㄴ, ㅂ and ㅅ: 힘들 -> 힘드(네)."""
    return _add_tail(stem, -FINAL_RIEUL) if _get_tail(stem) == FINAL_RIEUL else stem


def conjugate_formal(stem: str) -> str:
    """Return the formal polite form: 지루하 -> 지루합니다, 좋 -> 좋습니다, 힘들 -> 힘듭니다."""
    stem = _drop_rieul(stem)
    return f"{stem}습니다" if has_tail(stem) else f"{_add_tail(stem, FINAL_BIEUP)}니다"


def nominalize(stem: str, connective: str) -> str:
    """Return the noun form: 지루하 -> 지루함, 좋 -> 좋음, 힘들 -> 힘듦, 아름답 (아름다워) -> 아름다움."""
    if _get_tail(stem) == FINAL_RIEUL:
        return _add_tail(stem, _TAIL_RIEUL_MIEUM - FINAL_RIEUL)
    if _get_tail(stem) == FINAL_BIEUP and connective.endswith("워"):
        return f"{_add_tail(stem, -FINAL_BIEUP)}움"
    return f"{stem}음" if has_tail(stem) else _add_tail(stem, _TAIL_MIEUM)


def conjugate_polite(connective: str) -> str:
    """Return the 해요 form: 지루해 -> 지루해요, 최고야 -> 최고예요, 보통이야 -> 보통이에요."""
    if connective.endswith(("이야", "아니야")):
        return f"{connective[:-1]}에요"
    if connective.endswith("야"):
        return f"{connective[:-1]}예요"
    return f"{connective}요"


def conjugate_past(stem: str, connective: str) -> str:
    """Return the past stem: 지루해 -> 지루했, 좋아 -> 좋았, 보통이야 -> 보통이었, 최고야 -> 최고였."""
    if connective.endswith(("았어", "었어", "했어", "갔어", "봤어", "렸어")):
        return stem
    if connective.endswith(("이야", "아니야")):
        return f"{connective[:-1]}었"
    if connective.endswith("야"):
        return f"{connective[:-1]}였"
    if has_tail(connective):
        raise ValueError(f"{connective!r} is not a connective form: it ends in a consonant")
    return _add_tail(connective, _TAIL_SSANGSIOT)


def drop_copula(stem: str, connective: str) -> str:
    """Return the form of `stem` before endings; the copula is dropped after a vowel: 최고이 -> 최고(네)."""
    if stem.endswith("이") and len(stem) > 1 and connective.endswith("야") and not connective.endswith("이야"):
        return stem[:-1]
    return stem


def list_endings(stem: str, connective: str) -> tuple[str, ...]:
    """Return the usual forms of a predicate: plain, polite, past and noun.

    Args:
        stem: The part before -다, such as 지루하.
        connective: The 아/어 form, such as 지루해.
    """
    short = drop_copula(stem, connective)
    past = conjugate_past(stem, connective)
    present_forms = (
        f"{short}다", connective, conjugate_polite(connective), f"{_drop_rieul(short)}네", f"{_drop_rieul(short)}네요",
        f"{short}더라", f"{short}더라구요", f"{short}던데", f"{short}던데?", f"{short}던데요", conjugate_formal(stem),
        nominalize(stem, connective), f"{short}지", f"{short}잖아",
    )  # fmt: skip
    past_forms = (
        f"{past}다", f"{past}어", f"{past}어요", f"{past}네", f"{past}음", f"{past}습니다", f"{past}던데", f"{past}지",
    )  # fmt: skip
    return past_forms if past == stem else present_forms + past_forms
