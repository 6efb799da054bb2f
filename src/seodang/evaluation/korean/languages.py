"""The share of Hangul in an answer. Pure."""

from __future__ import annotations

import re
from typing import Final

from seodang.evaluation.korean.passages import blank_code

MIN_HANGUL_SHARE: Final = 0.35
"""An answer with a lower share is not Korean; docs/korean-quality.md has the precision and recall of this bound."""
_HANGUL: Final = re.compile("[가-힣ㄱ-ㅎㅏ-ㅣ]")
# Scripts whose characters are syllables or words: kana and Han.
_SYLLABLE: Final = re.compile("[가-힣ㄱ-ㅎㅏ-ㅣ\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_FOREIGN_RUN: Final = re.compile(
    r"(?<!\w)[^\W\d_가-힣]++(?:[ ,.'’-]{1,2}[^\W\d_가-힣]++){2,}+(?![가-힣])"
    "|[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]{4,}"
)
_LETTERS_PER_SYLLABLE: Final = 2  # a syllable says about as much as two letters


def compute_hangul_share(text: str) -> float | None:
    """Return the share of Hangul in the letters of an answer, 0 to 1; None without a letter.

    Code, formulas and addresses do not count. Hangul, kana and Han characters weigh as much as two letters of an
    alphabet. So a few English names in a Korean sentence cost little.
    """
    plain = blank_code(text)
    letters = sum(map(str.isalpha, plain))
    if not letters:
        return None
    syllables = len(_SYLLABLE.findall(plain))
    weight = letters + (_LETTERS_PER_SYLLABLE - 1) * syllables
    return _LETTERS_PER_SYLLABLE * len(_HANGUL.findall(plain)) / weight


def find_foreign_runs(text: str) -> list[tuple[int, int]]:
    """Return start and end of passages without Hangul: at least three words, or four kana or Han characters."""
    return [match.span() for match in _FOREIGN_RUN.finditer(blank_code(text))]
