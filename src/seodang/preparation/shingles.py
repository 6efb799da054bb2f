"""Normalized letters of texts, and hashes of texts, shingles and n-grams, for a chunk of texts at a time.

A hash is the sum of the letters' hashes times powers of an odd number, modulo 2**64 (Karp and Rabin 1987). With prefix
sums, the hash of any range costs constant time, and the hashes of two texts can be joined.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Integers = NDArray[np.int64]

_DROPPED, _BLANK, _LETTER, _DIGIT, _BORDER = range(5)
_HYPHEN = ord("-")
_OPERATORS = "*/%&#@\\"
_BASE = 0x9E3779B97F4A7C15  # odd, so it has an inverse modulo 2**64
_INVERSE = pow(_BASE, -1, 2**64)


@dataclass(frozen=True, slots=True)
class Letters:
    """The normalized letters of several texts, one text after the other."""

    hashes: Hashes  # hash of each letter
    starts: Integers  # index of the first letter of each text, and the end of the last text; length texts + 1
    is_word_start: NDArray[np.bool_]  # whether a letter is the first one of a word

    @property
    def lengths(self) -> Integers:
        """Number of letters of each text."""
        return np.diff(self.starts)


def extract_letters(texts: Sequence[str]) -> Letters:
    """Return the normalized letters of texts: NFKC, casefolded, without blanks and punctuation.

    Arithmetic signs (+ = * / %) and emoji stay. One sign between two digits stays, and so does a hyphen before a digit.
    So 1.5 is not 15, "1, 23" is not "12, 3", and -2 is not 2. A text of only punctuation stays as it is: "!" is not
    "?".
    """
    joined_text = "".join(_fold_text(text) + "\0" for text in texts)
    points = np.frombuffer(joined_text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).copy()
    kinds = _classify_code_points()[points]
    mask = kinds >= _LETTER  # the borders too, for now
    mask[:-1] |= (points[:-1] == _HYPHEN) & (kinds[1:] == _DIGIT)
    _keep_between_digits(points, kinds, mask)
    mask &= kinds != _BORDER
    _keep_bare_punctuation(kinds, mask)
    starts = np.concatenate([[0], np.cumsum(mask)[kinds == _BORDER]])
    indices = np.flatnonzero(mask)
    is_word_start = np.diff(indices, prepend=-2) > 1
    return Letters(_mix_bits(points[mask].astype(np.uint64)), starts, is_word_start)


def _fold_text(text: str) -> str:
    """Return the casefolded text in NFKC; U+0000, which separates texts here, becomes a blank."""
    text = text.replace("\0", " ")
    return (
        text.lower()
        if text.isascii()
        else unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    )


def _keep_between_digits(points: NDArray[np.uint32], kinds: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
    """Keep the first sign between two digits, or one blank if there are only blanks."""
    indices = np.flatnonzero(mask)
    left, right = indices[:-1], indices[1:]
    between = left[(right - left > 1) & (kinds[left] == _DIGIT) & (kinds[right] == _DIGIT)]
    positions = between + 1
    later = (kinds[positions] == _BLANK) & ~mask[positions + 1] & (kinds[positions + 1] == _DROPPED)
    positions[later] += 1
    mask[positions] = True
    points[positions[kinds[positions] == _BLANK]] = ord(" ")


def _keep_bare_punctuation(kinds: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
    """Keep the non-blank characters of the texts without any letter."""
    ends = kinds == _BORDER
    text = np.cumsum(ends) - ends  # index of the text of each code point
    is_empty = np.bincount(text, weights=mask) == 0
    mask |= is_empty[text] & (kinds == _DROPPED)


@lru_cache(maxsize=1)
def _classify_code_points() -> NDArray[np.uint8]:
    """Return the kind of every code point; letters, marks, numbers and symbols (general categories) are kept."""
    kinds = np.full(0x110000, _DROPPED, dtype=np.uint8)
    for point in range(0x110000):
        category = unicodedata.category(chr(point))
        if category == "Nd":
            kinds[point] = _DIGIT
        elif category[0] in "LMNS":
            kinds[point] = _LETTER
        elif category[0] == "Z" or chr(point).isspace():
            kinds[point] = _BLANK
    kinds[[ord(sign) for sign in _OPERATORS]] = _LETTER  # Unicode classifies them as punctuation
    kinds[0] = _BORDER
    return kinds


def hash_words(letters: Letters) -> tuple[Hashes, Integers]:
    """Return the hashes of the words, and the index of the first word of each text (length texts + 1)."""
    indices = np.append(np.flatnonzero(letters.is_word_start), letters.hashes.size)
    hashes = _hash_ranges(_compute_prefix_sums(letters.hashes), indices[:-1], indices[1:])
    counts = np.concatenate([[0], np.cumsum(letters.is_word_start)])
    return _mix_bits(hashes), counts[letters.starts]


def hash_texts(letters: Letters) -> Hashes:
    """Return one hash per text, 0 for a text without letters; `join_hashes` joins them."""
    return _hash_ranges(_compute_prefix_sums(letters.hashes), letters.starts[:-1], letters.starts[1:])


def join_hashes(first: Hashes, lengths: Integers, second: Hashes) -> Hashes:
    """Return the hashes of the first texts followed by the second ones; `lengths` are those of the first texts."""
    powers = _compute_powers(_BASE, int(lengths.max(initial=0)) + 1)[lengths]
    return np.asarray(first + powers * second)


def mix_hashes(hashes: Hashes) -> Hashes:
    """Return the hashes with every bit mixed over all 64 bits."""
    return _mix_bits(hashes)


def compute_shingles(letters: Letters, sizes: Integers) -> Hashes:
    """Return one shingle hash per letter: of the letter and the next ones, `sizes[text]` letters in total.

    Shingles are shorter at the end of a text, so a text of one letter has one shingle as well.
    """
    indices = np.arange(letters.hashes.size)
    ends = np.minimum(indices + np.repeat(sizes, letters.lengths), np.repeat(letters.starts[1:], letters.lengths))
    return _mix_bits(_hash_ranges(_compute_prefix_sums(letters.hashes), indices, ends))


def compute_ngrams(hashes: Hashes, starts: Integers, size: int) -> tuple[Hashes, Integers]:
    """Return the hashes of all n-grams of `size` units within one text, and the text index of each.

    Args:
        hashes: Hashes of the units: words or letters.
        starts: Index of the first unit of each text; length texts + 1.
        size: Number of units of an n-gram.
    """
    counts = np.maximum(np.diff(starts) - size + 1, 0)
    owners = np.repeat(np.arange(counts.size), counts)
    firsts = np.arange(int(counts.sum())) + np.repeat(
        starts[:-1] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts
    )
    return _mix_bits(_hash_ranges(_compute_prefix_sums(hashes), firsts, firsts + size)), owners


def hash_ranges(letters: Letters, firsts: Integers, ends: Integers) -> Hashes:
    """Return the hashes of the ranges [first, end) of letters; equal ranges have equal hashes in any text."""
    return _hash_ranges(_compute_prefix_sums(letters.hashes), firsts, ends)


def find_matches(sorted_hashes: Hashes, hashes: Hashes, limit: int | None = None) -> tuple[Integers, Integers]:
    """Return the index into `hashes` and into `sorted_hashes` of every match, at most `limit` for each hash."""
    first = np.searchsorted(sorted_hashes, hashes, side="left")
    counts = np.searchsorted(sorted_hashes, hashes, side="right") - first
    if limit is not None:
        counts = np.minimum(counts, limit)
    indices = np.repeat(np.arange(hashes.size), counts)
    within = np.arange(indices.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return indices, np.asarray(first[indices] + within)


def _compute_prefix_sums(hashes: Hashes) -> Hashes:
    """Return the prefix sums of the hashes times powers of the base; length units + 1."""
    sums = np.zeros(hashes.size + 1, dtype=np.uint64)
    np.cumsum(hashes * _compute_powers(_BASE, hashes.size), out=sums[1:])
    return sums


def _hash_ranges(sums: Hashes, firsts: Integers, ends: Integers) -> Hashes:
    """Return the hashes of the ranges [first, end); equal ranges have equal hashes at any position."""
    return np.asarray((sums[ends] - sums[firsts]) * _compute_powers(_INVERSE, sums.size)[firsts])


def _compute_powers(base: int, count: int) -> Hashes:
    return _compute_power_table(base, max(10, (count - 1).bit_length()))[: max(count, 0)]


@lru_cache(maxsize=4)  # two bases, each for the usual and for a larger chunk
def _compute_power_table(base: int, bits: int) -> Hashes:
    factors = np.full(1 << bits, base, dtype=np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


def _mix_bits(hashes: Hashes) -> Hashes:
    """Return the numbers under a bijection that mixes all bits (SplitMix64, Steele et al. 2014)."""
    values = hashes + np.uint64(_BASE)
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values
