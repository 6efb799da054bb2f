"""The evaluation items as sorted arrays, in which the search for leaks finds hashes by binary search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seodang.preparation.questions import Questions
from seodang.preparation.shingles import Hashes, Integers, mix_hashes


@dataclass(frozen=True, slots=True)
class Items:
    """The evaluation items, sorted for binary search."""

    questions: Questions
    ngram_hashes: Hashes  # sorted
    ngram_owners: Integers
    ngram_counts: Integers  # number of n-grams of each item, at least 1
    band_keys: Hashes  # bands x items that MinHash compares, each band sorted
    band_owners: Integers  # item of each key
    exact_hashes: Hashes  # sorted
    exact_owners: Integers


def gather_items(questions: Iterable[Questions], rows: NDArray[np.void], boilerplate_after: int) -> Items | None:
    """Return the evaluation items sorted for the search; None if there are none.

    Args:
        questions: Questions of all items, in chunks.
        rows: Features of all accepted records.
        boilerplate_after: An n-gram in the instructions of more items than this is boilerplate and leaks nothing.
    """
    parts = list(questions)
    if not parts:
        return None
    all_questions = _concatenate(parts)
    order = np.lexsort((all_questions.in_instruction, all_questions.owners, all_questions.ngrams))
    order = order[
        _find_informative(
            all_questions.ngrams[order],
            all_questions.owners[order],
            all_questions.in_instruction[order],
            boilerplate_after,
        )
    ]
    long = np.flatnonzero(all_questions.is_long_enough)
    keys = np.ascontiguousarray(all_questions.keys[long].T)
    by_key = np.argsort(keys, axis=1)
    hashes, exact_owners = compute_exact_keys(rows[all_questions.numbers])
    by_hash = np.argsort(hashes)
    return Items(
        questions=replace(
            all_questions,
            ngrams=all_questions.ngrams[:0],
            owners=all_questions.owners[:0],
            in_instruction=all_questions.in_instruction[:0],
        ),
        ngram_hashes=all_questions.ngrams[order],
        ngram_owners=all_questions.owners[order],
        ngram_counts=np.maximum(np.bincount(all_questions.owners[order], minlength=all_questions.numbers.size), 1),
        band_keys=np.take_along_axis(keys, by_key, axis=1),
        band_owners=long[by_key],
        exact_hashes=hashes[by_hash],
        exact_owners=exact_owners[by_hash],
    )


def compute_exact_keys(rows: NDArray[np.void]) -> tuple[Hashes, Integers]:
    """Return the keys that an item and a training record must not share, and the row index of each key.

    One key is the question. Another one is the subject with the answer, which an item may lack. The last one is the
    object of a file with the answer: two prompts may show one short text in different fields.
    """
    answers, origins = mix_hashes(rows["answer"]), compute_origin_keys(rows)
    places = np.where(origins != 0, origins, rows["question"])
    keys = (rows["question"], mix_hashes(rows["subject"] ^ answers), places)
    return np.concatenate(keys), np.tile(np.arange(len(rows)), len(keys))


def compute_origin_keys(rows: NDArray[np.void]) -> Hashes:
    """Return the keys of the same text under several prompts: its place in a file with the answer; 0 without one.

    Without the answer, all questions about one article would be the same text.
    """
    is_known = (rows["origin"] != 0) & (rows["answer"] != 0)
    keys = mix_hashes(mix_hashes(rows["origin"]) ^ mix_hashes(rows["answer"]))
    return np.asarray(np.where(is_known, keys, np.uint64(0)))


def _concatenate(parts: Sequence[Questions]) -> Questions:
    offsets = np.cumsum([0, *(part.numbers.size for part in parts)])
    return Questions(
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.ngrams for part in parts]),
        np.concatenate([part.owners + offset for part, offset in zip(parts, offsets[:-1], strict=True)]),
        np.concatenate([part.in_instruction for part in parts]),
        np.concatenate([part.sketches for part in parts]),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.is_long_enough for part in parts]),
    )


def _find_informative(
    hashes: Hashes, owners: Integers, in_instruction: NDArray[np.bool_], boilerplate_after: int
) -> NDArray[np.bool_]:
    """Return whether each n-gram counts: the first one of an item, unless it occurs in many instructions.

    The n-grams are sorted by hash and item.
    """
    is_new = np.diff(hashes, prepend=hashes[:1] + np.uint64(1)) != 0
    is_first = is_new | (np.diff(owners, prepend=-1) != 0)
    number = np.cumsum(is_new) - 1
    items = np.bincount(number, weights=is_first & in_instruction)
    return np.asarray(is_first & ~(in_instruction & (items[number] > boilerplate_after)))
