"""Reworded copies: training records with the question or the gold answer of an evaluation item in slightly other words.

With 15 % of the words changed, or other Korean endings, about half of the shingles stay: too few for the threshold of
near-duplicates. Two texts are therefore compared by the weighted Jaccard similarity of their shingles. A reworded
question counts if the answers agree as well, or if it is long: "capital of France" and "capital of Peru" are two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seodang.config import DeduplicationParams
from seodang.preparation.boilerplate import Boilerplate
from seodang.preparation.quotes import find_common_answers
from seodang.preparation.shingles import Hashes, Integers, find_matches
from seodang.preparation.weighted_shingles import (
    COUNTERS,
    PAIR_SIMILARITY,
    Shingles,
    Texts,
    compute_distinct,
    weigh_shingles,
)
from seodang.records import Record

_QUESTION, _ANSWER = range(2)
# Measured with 888 items and 4,112 unrelated training records of Alpaca, and as many of KoAlpaca. They were compared
# with copies of the items in which 15 % of the words are others (docs/decisions.md has the figures).
_ANSWER_SIMILARITY = 0.4  # of two answers, whatever the questions
_SHORT_SIMILARITY = 0.45  # of two answers of which one is short: a few common words are half of it
_SHORT_SHINGLES = 60
_ALONE_SIMILARITY = 0.45  # of two long questions without an input, whatever the answers
_RARE = 12  # rarest shingles of an item that are searched for
_MIN_SHARED = 2  # of them, in a record that is compared

Numbered = tuple[int, Record]  # index into the accepted records, and the record


class RewordingSearch:
    """Collects the shingles of training records, and compares them when those of all records are counted.

    The weights depend on all records. So the shingles go to a file in between, and each record is parsed only once.
    """

    def __init__(
        self,
        items: Sequence[Numbered],
        rows: NDArray[np.void],
        is_template: NDArray[np.bool_],
        params: DeduplicationParams,
        boilerplate: Boilerplate,
        scratch: Path,
    ) -> None:
        """Count the shingles of the evaluation items.

        Args:
            items: The evaluation items.
            rows: Features of all accepted records.
            is_template: Whether the instruction of a record is a template, which is not compared.
            params: Lengths of shingles.
            boilerplate: Knows the common phrases, which are left out.
            scratch: Folder of the file with the shingles.
        """
        self._rows, self._is_template, self._params = rows, is_template, params
        self._boilerplate = boilerplate
        self._counts, self._total = np.zeros(COUNTERS, dtype=np.int64), 0
        self._file = scratch / "shingles.npy"
        self._file.write_bytes(b"")
        self._chunks = 0
        self._numbers = [number for number, _ in items]
        self._items = self._compute_shingles(items)
        common = find_common_answers(rows)
        self._answers = [
            0 if record.choices or (answer := int(rows["answer"][number])) in common else answer
            for number, record in items
        ]

    def add(self, chunk: Sequence[Numbered]) -> None:
        """Count the shingles of training records, and write them into the file."""
        shingles = self._compute_shingles(chunk)
        with self._file.open("ab") as file:
            for array in (
                *(np.array([number for number, _ in chunk]), shingles.hashes, shingles.starts, shingles.is_alone),
            ):
                np.save(file, array, allow_pickle=False)
        self._chunks += 1

    def find(self) -> list[tuple[int, int, float]]:
        """Return training record, item and similarity of each copy; both are indices into the accepted records.

        An item that more than `template_after` records have in other words is boilerplate and is left out.
        """
        items = weigh_shingles(self._items, self._counts, self._total)
        rare = select_rare(items)
        found = []
        with self._file.open("rb") as file:
            for _ in range(self._chunks):
                numbers, *arrays = (np.load(file, allow_pickle=False) for _ in range(4))
                texts = weigh_shingles(Shingles(*arrays), self._counts, self._total)
                answers = [int(self._rows["answer"][number]) for number in numbers]
                for record, item, similarity in find_rewordings(texts, items, rare, answers, self._answers):
                    found.append((int(numbers[record]), self._numbers[item], similarity))
        copies = Counter(item for item, _ in {(item, record) for record, item, _ in found})
        return [leak for leak in found if copies[leak[1]] <= self._params.template_after]

    def _compute_shingles(self, chunk: Sequence[Numbered]) -> Shingles:
        records = [record for _, record in chunk]
        complete = compute_distinct(records, [False] * len(chunk), self._params, self._boilerplate)
        counters = (complete.hashes % np.uint64(COUNTERS)).astype(np.int64)
        self._counts += np.bincount(counters, minlength=COUNTERS)
        self._total += len(chunk)
        skips = self._is_template[[number for number, _ in chunk]].tolist()
        return compute_distinct(records, skips, self._params, self._boilerplate) if any(skips) else complete


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
    for own, other in sorted({divmod(int(pair), width) for pair in pairs[shared >= _MIN_SHARED]}):
        record, item = own // 2, other // 2
        similarity = records.compute_similarity(own, items, other)
        if own % 2 == _ANSWER:
            is_short = min(records.count_shingles(own), items.count_shingles(other)) < _SHORT_SHINGLES
            is_copy = item_answers[item] != 0 and similarity >= (_SHORT_SIMILARITY if is_short else _ANSWER_SIMILARITY)
        elif records.is_alone[record] and items.is_alone[item] and similarity >= _ALONE_SIMILARITY:
            is_copy = True
        else:
            is_copy = similarity >= PAIR_SIMILARITY and (
                equal_answers[record] == item_answers[item] != 0
                or records.compute_similarity(own + 1, items, other + 1) >= PAIR_SIMILARITY
            )
        if is_copy:
            yield record, item, similarity
