"""Weighted shingles of questions and answers, for the search for reworded copies.

A shingle weighs its inverse document frequency (Spärck Jones 1972), so boilerplate counts little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seodang.config import DeduplicationParams
from seodang.preparation.boilerplate import Boilerplate
from seodang.preparation.features import build_question, get_shingle_sizes
from seodang.preparation.shingles import Hashes, Integers, compute_shingles, extract_letters
from seodang.records import Record

PAIR_SIMILARITY = 0.33  # of both the questions and the answers of a reworded copy; the lowest limit of rewording.py
# Measured as the limits of rewording.py were.
_MIN_LETTERS = 40  # of a text that is compared; a Hangul syllable says as much as two letters
_ALONE_LETTERS = 100  # of such a question; in a shorter one, one other word makes another question
COUNTERS = 1 << 22  # of the frequencies of shingles; a collision makes a shingle look more frequent
_RARE_TEXTS = 4  # a shingle of more texts is no evidence of a copy
_RARE_SHARE = 0.3  # of an item's rare shingles, in a copy; in one with 15 % other words it is about 0.6
_MIN_RARE = 6  # rare shingles of an item from which that share counts
_MIN_TOTAL = 1000  # records from which frequencies count fully; among a few, the copy itself would make a text common


@dataclass(frozen=True, slots=True)
class Shingles:
    """The distinct shingles of the questions (even texts) and of the answers (odd texts) of n records."""

    hashes: Hashes
    starts: Integers  # 2n + 1
    is_alone: NDArray[np.bool_]  # n; whether a question may count without its answer: it is long and has no input


@dataclass(frozen=True, slots=True)
class Texts:
    """Shingles with their weights."""

    hashes: Hashes
    weights: NDArray[np.float64]
    starts: Integers
    is_repeated: NDArray[np.bool_]  # whether a shingle occurs in another text too; others can't be shared
    is_rare: NDArray[np.bool_]  # whether at most a few texts have a shingle
    is_alone: NDArray[np.bool_]

    def count_shingles(self, text: int) -> int:
        """Return the number of shingles of a text."""
        return int(self.starts[text + 1] - self.starts[text])

    def compute_similarity(self, text: int, other: Texts, other_text: int) -> float:
        """Return the weighted Jaccard similarity of two texts.

        It is 0 below the lowest limit, if one of them is too short, or if they share only what many texts share.
        Recipes with the same steps, or answers that name another product in the same sentences, are no copies.
        """
        own = slice(self.starts[text], self.starts[text + 1])
        others = slice(other.starts[other_text], other.starts[other_text + 1])
        is_shared = np.isin(other.hashes[others], self.hashes[own], assume_unique=True)
        shared = float(other.weights[others][is_shared].sum())
        union = float(self.weights[own].sum() + other.weights[others].sum()) - shared
        if shared < PAIR_SIMILARITY * union or not union:
            return 0.0
        is_rare = other.is_rare[others]
        rare = int(is_rare.sum())
        is_common_only = rare >= _MIN_RARE and (is_shared & is_rare).sum() < _RARE_SHARE * rare
        return 0.0 if is_common_only else shared / union


def weigh_shingles(shingles: Shingles, counts: NDArray[np.int64], total: int) -> Texts:
    """Return shingles with their weights.

    Args:
        shingles: The shingles.
        counts: Frequencies of the shingles.
        total: Number of records that they were counted in.
    """
    frequencies = counts[(shingles.hashes % np.uint64(COUNTERS)).astype(np.int64)]
    weights = np.log((max(total, _MIN_TOTAL) + 1) / (frequencies + 0.5))
    is_repeated, is_rare = frequencies > 1, frequencies <= _RARE_TEXTS
    return Texts(shingles.hashes, np.maximum(0.05, weights), shingles.starts, is_repeated, is_rare, shingles.is_alone)


def compute_distinct(
    chunk: Sequence[Record], skips: Sequence[bool], params: DeduplicationParams, boilerplate: Boilerplate
) -> Shingles:
    """Return the distinct shingles of records; `skips` says whether an instruction is a template, which is left out."""
    texts = [
        boilerplate.remove(text)
        for record, skip in zip(chunk, skips, strict=True)
        for text in (f"{'' if skip else build_question(record)}\n{record.input}", record.output)
    ]
    letters = extract_letters(texts)
    korean = np.repeat(np.array([record.language == "ko" for record in chunk], dtype=np.bool_), 2)
    owners = np.repeat(np.arange(len(texts)), letters.lengths)
    lengths = letters.lengths * np.where(korean, 2, 1)
    mask = (lengths >= _MIN_LETTERS)[owners]
    hashes, owners = compute_shingles(letters, get_shingle_sizes(korean, params))[mask], owners[mask]
    order = np.lexsort((hashes, owners))
    hashes, owners = hashes[order], owners[order]
    is_new = np.ones(hashes.size, dtype=np.bool_)
    is_new[1:] = (np.diff(hashes) != 0) | (np.diff(owners) != 0)
    has_input = np.array([bool(record.input) for record in chunk], dtype=np.bool_)
    is_alone = (lengths[::2] >= _ALONE_LETTERS) & ~has_input
    return Shingles(hashes[is_new], np.searchsorted(owners[is_new], np.arange(len(texts) + 1)), is_alone)
