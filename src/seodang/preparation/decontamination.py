"""Decontamination: find the records of train and validation that leak an evaluation item.

A record leaks an item in one of six cases. "exact": both have the same normalized question, or the same input with
the same answer, or the same answer and the same place in a file, as one review under two prompts. "ngram": the record
contains a long n-gram of the item's question (13 words, as in Brown et al. 2020; 30 letters in Korean). "minhash": the
two questions are near-duplicates. "quote" and "answer": the record contains the complete question or gold answer of
the item (see quotes). "reworded": the record has the question or the gold answer in slightly other words (see
rewording). A template is an instruction with many different inputs. It leaks nothing, so only the inputs of its records
are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seodang.preparation.evaluation_items import Items, compute_exact_keys
from seodang.preparation.minhash import estimate_similarities
from seodang.preparation.questions import Questions
from seodang.preparation.shingles import Integers, find_matches, mix_hashes

Kind = Literal["exact", "ngram", "minhash", "quote", "answer", "reworded"]

# A record is compared with this many items of a band's bucket. A bucket of boilerplate can hold thousands of items.
_CANDIDATES = 64


@dataclass(frozen=True, slots=True)
class Leak:
    """A training record that leaks an evaluation item. Both are indices into the accepted records."""

    item: int
    record: int
    kind: Kind
    overlap: float  # ngram: share of the n-grams of the item; minhash and reworded: similarity; else 1


def find_leaks(questions: Questions, items: Items, rows: NDArray[np.void], threshold: float) -> list[Leak]:
    """Return the leaks of a chunk of training records.

    Each pair of record and item occurs once, with the first kind of exact, ngram and minhash that applies.

    Args:
        questions: Questions of the training records.
        items: Evaluation items.
        rows: Features of all accepted records.
        threshold: Jaccard similarity from which two questions are near-duplicates.
    """
    leaks: dict[tuple[int, int], Leak] = {}
    numbers = items.questions.numbers
    by_kind: dict[Kind, Iterator[tuple[int, int, float]]] = {
        "exact": _find_exact(questions, items, rows),
        "ngram": _find_shared_ngrams(questions, items),
        "minhash": _find_similar(questions, items, threshold),
    }
    for kind, pairs in by_kind.items():
        for index, item, overlap in pairs:
            leaks.setdefault((index, item), Leak(int(numbers[item]), int(questions.numbers[index]), kind, overlap))
    return [leaks[pair] for pair in sorted(leaks)]


def _find_exact(questions: Questions, items: Items, rows: NDArray[np.void]) -> Iterator[tuple[int, int, float]]:
    own_rows = rows[questions.numbers]
    unanswered = own_rows.copy()
    unanswered["answer"] = 0  # matches the items without an answer
    keys, owners = (
        np.concatenate(both) for both in zip(compute_exact_keys(own_rows), compute_exact_keys(unanswered), strict=True)
    )
    indices, hits = find_matches(items.exact_hashes, keys)
    for index, hit in zip(owners[indices].tolist(), hits.tolist(), strict=True):
        yield index, int(items.exact_owners[hit]), 1.0


def _find_shared_ngrams(questions: Questions, items: Items) -> Iterator[tuple[int, int, float]]:
    pair = mix_hashes(questions.owners.astype(np.uint64)) ^ questions.ngrams
    _, once = np.unique(pair, return_index=True)  # a repeated n-gram of a record counts once
    indices, hits = find_matches(items.ngram_hashes, questions.ngrams[once])
    width = items.questions.numbers.size
    pairs, counts = np.unique(questions.owners[once][indices] * width + items.ngram_owners[hits], return_counts=True)
    for number, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        index, item = divmod(number, width)
        yield index, item, count / int(items.ngram_counts[item])


def _find_similar(questions: Questions, items: Items, threshold: float) -> Iterator[tuple[int, int, float]]:
    long = np.flatnonzero(questions.is_long_enough)
    width = items.questions.numbers.size
    candidates: list[Integers] = []
    for band, (keys, owners) in enumerate(zip(items.band_keys, items.band_owners, strict=True)):
        indices, hits = find_matches(keys, questions.keys[long, band], _CANDIDATES)
        candidates.append(long[indices] * width + owners[hits])
    pairs = np.unique(np.concatenate(candidates)) if candidates else np.zeros(0, dtype=np.int64)
    indices, owners = np.divmod(pairs, width)
    similarity = estimate_similarities(questions.sketches[indices], items.questions.sketches[owners])
    for number in np.flatnonzero(similarity >= threshold).tolist():
        yield int(indices[number]), int(owners[number]), float(similarity[number])
