"""Reworded copies: training records with the question or the gold answer of an evaluation item in slightly other words.

With 15 % of the words changed, or other Korean endings, about half of the shingles stay: too few for the threshold of
near-duplicates. Two texts are therefore compared by the weighted Jaccard similarity of their shingles. A shingle weighs
its inverse document frequency (Spärck Jones 1972), so boilerplate counts little. A reworded question counts only if the
answers agree as well: "capital of France" and "capital of Peru" are two questions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seodang.config import DeduplicationParams
from seodang.preparation.features import build_question, get_shingle_sizes
from seodang.preparation.quotes import find_common_answers
from seodang.preparation.shingles import Hashes, Integers, compute_shingles, extract_letters, find_matches
from seodang.records import Record

_QUESTION, _ANSWER = range(2)
_MIN_LETTERS = 40  # of a text that is compared; a Hangul syllable says as much as two letters
_ANSWER_SIMILARITY = 0.4  # of two answers, whatever the questions
_PAIR_SIMILARITY = 0.33  # of both the questions and the answers
_COUNTERS = 1 << 22  # of the frequencies of shingles; a collision makes a shingle look more frequent
_RARE = 12  # rarest shingles of an item that are searched for
_MIN_SHARED = 2  # of them, in a record that is compared
_MIN_TOTAL = 1000  # records from which frequencies count fully; among a few, the copy itself would make a text common
_CHUNK = 500  # records compared at a time

Numbered = tuple[int, Record]  # index into the accepted records, and the record


@dataclass(frozen=True, slots=True)
class Texts:
    """The distinct shingles of the questions (even texts) and of the answers (odd texts) of n records."""

    hashes: Hashes
    weights: NDArray[np.float64]
    starts: Integers  # 2n + 1
    is_repeated: NDArray[np.bool_]  # whether a shingle occurs in another text too; others can't be shared

    def compute_similarity(self, text: int, other: Texts, other_text: int) -> float:
        """Return the weighted Jaccard similarity of two texts; 0 if one of them is too short."""
        own = slice(self.starts[text], self.starts[text + 1])
        others = slice(other.starts[other_text], other.starts[other_text + 1])
        is_shared = np.isin(self.hashes[own], other.hashes[others], assume_unique=True)
        shared = float(self.weights[own][is_shared].sum())
        union = float(self.weights[own].sum() + other.weights[others].sum()) - shared
        return shared / union if union else 0.0


def iter_rewordings(
    items: Sequence[Numbered],
    read_training: Callable[[], Iterator[Numbered]],
    rows: NDArray[np.void],
    is_template: NDArray[np.bool_],
    params: DeduplicationParams,
) -> Iterator[tuple[int, int, float]]:
    """Yield training record, item and similarity of each reworded copy; both are indices into the accepted records.

    Args:
        items: The evaluation items.
        read_training: Returns the training records; they are read twice, for the frequencies and for the copies.
        rows: Features of all accepted records.
        is_template: Whether the instruction of a record is a template, which is not compared.
        params: Lengths of shingles.
    """
    counts, total = np.zeros(_COUNTERS, dtype=np.int64), 0
    for chunk in _iter_chunks(itertools.chain(items, read_training())):
        hashes, _ = _compute_distinct([record for _, record in chunk], [False] * len(chunk), params)
        counts += np.bincount((hashes % np.uint64(_COUNTERS)).astype(np.int64), minlength=_COUNTERS)
        total += len(chunk)

    def build(chunk: Sequence[Numbered]) -> Texts:
        numbers = [number for number, _ in chunk]
        return build_texts([record for _, record in chunk], is_template[numbers].tolist(), counts, total, params)

    common = find_common_answers(rows)
    answers = [
        0 if record.choices or (answer := int(rows["answer"][number])) in common else answer for number, record in items
    ]
    texts = build(items)
    rare = select_rare(texts)
    for chunk in _iter_chunks(read_training()):
        own_answers = [int(rows["answer"][number]) for number, _ in chunk]
        for record, item, similarity in find_rewordings(build(chunk), texts, rare, own_answers, answers):
            yield chunk[record][0], items[item][0], similarity


def _iter_chunks(records: Iterator[Numbered]) -> Iterator[list[Numbered]]:
    while chunk := list(itertools.islice(records, _CHUNK)):
        yield chunk


def build_texts(
    chunk: Sequence[Record], skips: Sequence[bool], counts: NDArray[np.int64], total: int, params: DeduplicationParams
) -> Texts:
    """Return the shingles of records with their weights.

    Args:
        chunk: n records.
        skips: Whether the instruction of each record is a template, which is left out.
        counts: Frequencies of the shingles.
        total: Number of records that they were counted in.
        params: Lengths of shingles.
    """
    hashes, starts = _compute_distinct(chunk, skips, params)
    frequencies = counts[(hashes % np.uint64(_COUNTERS)).astype(np.int64)]
    weights = np.log((max(total, _MIN_TOTAL) + 1) / (frequencies + 0.5))
    return Texts(hashes, np.maximum(0.05, weights), starts, frequencies > 1)


def _compute_distinct(
    chunk: Sequence[Record], skips: Sequence[bool], params: DeduplicationParams
) -> tuple[Hashes, Integers]:
    texts = [
        text
        for record, skip in zip(chunk, skips, strict=True)
        for text in (f"{'' if skip else build_question(record)}\n{record.input}", record.output)
    ]
    letters = extract_letters(texts)
    korean = np.repeat(np.array([record.language == "ko" for record in chunk], dtype=np.bool_), 2)
    owners = np.repeat(np.arange(len(texts)), letters.lengths)
    long = letters.lengths * np.where(korean, 2, 1) >= _MIN_LETTERS
    mask = long[owners]
    hashes, owners = compute_shingles(letters, get_shingle_sizes(korean, params))[mask], owners[mask]
    order = np.lexsort((hashes, owners))
    hashes, owners = hashes[order], owners[order]
    is_new = np.ones(hashes.size, dtype=np.bool_)
    is_new[1:] = (np.diff(hashes) != 0) | (np.diff(owners) != 0)
    return hashes[is_new], np.searchsorted(owners[is_new], np.arange(len(texts) + 1))


@dataclass(frozen=True, slots=True)
class RareShingles:
    """The rarest shingles of each text of the items, sorted."""

    hashes: Hashes
    texts: Integers


def select_rare(items: Texts) -> RareShingles:
    """Return the shingles by which similar records are found."""
    owners = np.repeat(np.arange(items.starts.size - 1), np.diff(items.starts))
    order = np.lexsort((items.hashes, -items.weights, ~items.is_repeated, owners))
    rank = np.arange(order.size) - items.starts[owners[order]]
    chosen = order[rank < _RARE]
    chosen = chosen[np.argsort(items.hashes[chosen], kind="stable")]
    return RareShingles(items.hashes[chosen], owners[chosen])


def find_rewordings(
    records: Texts, items: Texts, rare: RareShingles, equal_answers: Sequence[int], item_answers: Sequence[int]
) -> Iterator[tuple[int, int, float]]:
    """Yield the index of a record, the index of an item and the similarity of each reworded copy.

    Args:
        records: Texts of the training records.
        items: Texts of the evaluation items.
        rare: Their rarest shingles.
        equal_answers: Hash of the answer of each record.
        item_answers: Hash of the answer of each item; 0 for a label or a common answer, which is not compared.
    """
    owners = np.repeat(np.arange(records.starts.size - 1), np.diff(records.starts))
    indices, hits = find_matches(rare.hashes, records.hashes)
    same_kind = (owners[indices] - rare.texts[hits]) % 2 == 0
    width = items.starts.size
    pairs, shared = np.unique(owners[indices][same_kind] * width + rare.texts[hits][same_kind], return_counts=True)
    for pair in sorted({divmod(int(pair), width) for pair in pairs[shared >= _MIN_SHARED]}):
        record, item, part = pair[0] // 2, pair[1] // 2, pair[0] % 2
        similarity = records.compute_similarity(pair[0], items, pair[1])
        if part == _ANSWER:
            if item_answers[item] and similarity >= _ANSWER_SIMILARITY:
                yield record, item, similarity
        elif similarity >= _PAIR_SIMILARITY and (
            equal_answers[record] == item_answers[item] != 0
            or records.compute_similarity(2 * record + 1, items, 2 * item + 1) >= _PAIR_SIMILARITY
        ):
            yield record, item, similarity
