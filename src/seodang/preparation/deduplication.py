"""Exact and near-duplicates: which records say the same, and which of them stays.

Two records are near-duplicates when their sets of character shingles have at least the threshold's Jaccard similarity, by
MinHash. An instruction or an input that both have word for word is left out of that comparison: twenty questions about one
passage, or one instruction before twenty inputs, share most of their text and are still different records.

Clusters grow in the order of the records: a record joins the earliest leader that it is similar to, or else leads. What is
appended later therefore changes no earlier record's cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seodang.config import DeduplicationParams
from seodang.preparation.features import find_templates_so_far
from seodang.preparation.minhash import (
    ANSWER,
    FIELD_SETS,
    REST,
    WHOLE,
    WITHOUT_INPUT,
    Sketch,
    Sketches,
    estimate_similarities,
)
from seodang.preparation.shingles import Hashes, Integers
from seodang.preparation.splitting import NEVER_SCORED

# Of the leaders that share a band's bucket this many are compared, the earliest ones: a bucket of one boilerplate text
# would otherwise cost the square of its size. Similar records meet in several bands, so few pairs are lost.
_MAX_LEADERS = 4

# What is compared: the fields that the two records don't have word for word, and the answer. By same instruction, same input.
_FIELD_SET_BY_MATCH = np.array([[WHOLE, WITHOUT_INPUT], [REST, ANSWER]])


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What goes as a duplicate: arrays with one value a record."""

    representative: NDArray[np.int32]  # the record that stays in its place; -1 for a record that isn't removed
    similarity: NDArray[np.float32]  # to that record; 0 for a record that isn't removed
    exact: NDArray[np.bool_]  # whether the normalised text is the same


class Comparison:
    """Tells how similar two records are, from their traits and sketches."""

    def __init__(self, rows: NDArray[np.void], sketches: Sketches, params: DeduplicationParams) -> None:
        """Take the arrays that are asked for most out of the rows."""
        self._sketches, self.params = sketches, params
        self._exact, self._instruction, self._input = (
            np.ascontiguousarray(rows[name]) for name in ("exact", "instruction", "input")
        )
        self._lengths = _compute_lengths(rows)

    def compute_similarity(self, first: int, second: int) -> float:
        """Return the estimated Jaccard similarity of two records, 0 to 1; 1 for the same normalised text.

        Texts of which less than `min_characters` is left to compare have 0, unless they are the same.
        """
        if self._exact[first] == self._exact[second]:
            return 1.0
        field_set = int(
            _FIELD_SET_BY_MATCH[
                int(self._instruction[first] == self._instruction[second]),
                int(self._input[first] == self._input[second]),
            ]
        )
        if self._lengths[field_set, [first, second]].min() < self.params.min_characters:
            return 0.0
        return float(
            estimate_similarities(
                self._sketches.read_sketch(first, field_set), self._sketches.read_sketch(second, field_set)
            )
        )

    def compute_similarities(self, others: Integers, sketches: Sketch, record: int, own: Sketch) -> NDArray[np.float64]:
        """Return the similarity of a record to each of several others.

        Args:
            others: n records.
            sketches: All of theirs, n x VARIANTS x P.
            record: The one.
            own: Its sketches, VARIANTS x P.
        """
        field_sets = _FIELD_SET_BY_MATCH[
            (self._instruction[others] == self._instruction[record]).astype(np.intp),
            (self._input[others] == self._input[record]).astype(np.intp),
        ]
        is_long_enough = (
            np.minimum(self._lengths[field_sets, others], self._lengths[field_sets, record])
            >= self.params.min_characters
        )
        similarity = estimate_similarities(sketches[np.arange(others.size), field_sets], own[field_sets])
        return np.where(self._exact[others] == self._exact[record], 1.0, np.where(is_long_enough, similarity, 0.0))


def _compute_lengths(rows: NDArray[np.void]) -> NDArray[np.int32]:
    """Return the letters of each variant of each record: variants x records."""
    instruction, input_letters, answer = (rows[f"{name}_letters"] for name in ("instruction", "input", "answer"))
    by_field_set = {
        WHOLE: instruction + input_letters + answer,
        REST: input_letters + answer,
        WITHOUT_INPUT: instruction + answer,
        ANSWER: answer,
    }
    return np.stack([by_field_set[field_set] for field_set in sorted(by_field_set)])


def find_leaders(rows: NDArray[np.void], sketches: Sketches, params: DeduplicationParams) -> NDArray[np.int32]:
    """Return the leader of each record's cluster: itself, or an earlier record that it is similar to."""
    comparison = Comparison(rows, sketches, params)
    leaders = _find_exact_leaders(rows)
    is_first = leaders == np.arange(len(rows))
    by_rest = find_templates_so_far(rows, params.template_after)
    lengths = _compute_lengths(rows)
    candidates = np.flatnonzero(
        rows["usable"] & is_first & (np.where(by_rest, lengths[REST], lengths[WHOLE]) >= params.min_characters)
    )
    buckets, count = _compute_buckets(candidates, by_rest[candidates], sketches)
    _assign_leaders(leaders, candidates, buckets, count, comparison)
    return leaders[leaders]  # a record's exact first may itself have joined an earlier leader


def _find_exact_leaders(rows: NDArray[np.void]) -> NDArray[np.int32]:
    """Return for each record the first with the same normalised text; unusable records stay alone."""
    leaders = np.arange(len(rows), dtype=np.int32)
    usable = np.flatnonzero(rows["usable"])
    _, firsts, members = np.unique(rows["exact"][usable], return_index=True, return_inverse=True)
    leaders[usable] = usable[firsts[members]]
    return leaders


def _compute_buckets(
    candidates: NDArray[np.int64], by_rest: NDArray[np.bool_], sketches: Sketches
) -> tuple[NDArray[np.int32], int]:
    """Return the bucket of each signed record in each band (records x bands), -1 where it is alone, and their number.

    One band's keys are sorted at a time.
    """
    buckets = np.full((candidates.size, sketches.bands), -1, dtype=np.int32)
    count = 0
    for band in range(sketches.bands):
        keys = sketches.read_band_keys(WHOLE, band)[candidates]
        keys[by_rest] = sketches.read_band_keys(REST, band)[candidates[by_rest]]
        order, numbers = _find_shared(keys)
        buckets[order, band] = numbers + count
        count += int(numbers.max(initial=-1)) + 1
    return buckets, count


def _find_shared(keys: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of the keys that occur more than once, and a number for each different one."""
    order = np.argsort(keys, kind="stable")
    equal = np.diff(keys[order]) == 0
    is_shared = np.append(equal, False) | np.insert(equal, 0, False) if keys.size else np.zeros(0, dtype=np.bool_)
    is_new = is_shared & ~np.insert(equal, 0, False) if keys.size else is_shared
    return order[is_shared], np.cumsum(is_new[is_shared]) - 1


def _assign_leaders(
    leaders: NDArray[np.int32],
    candidates: NDArray[np.int64],
    buckets: NDArray[np.int32],
    count: int,
    comparison: Comparison,
) -> None:
    """Go through the records in order and write the leader of each into `leaders`."""
    bucket_leaders = np.full((count, _MAX_LEADERS), -1, dtype=np.int32)
    threshold = comparison.params.threshold
    for index in np.flatnonzero((buckets >= 0).any(axis=1)):
        record = int(candidates[index])
        own_buckets = buckets[index][buckets[index] >= 0]
        own_leaders = bucket_leaders[own_buckets]
        for leader in sorted(set(own_leaders[own_leaders >= 0].tolist())):
            if comparison.compute_similarity(leader, record) >= threshold:
                leaders[record] = leader
                break
        else:
            free_buckets = own_buckets[own_leaders[:, -1] < 0]
            bucket_leaders[free_buckets, (bucket_leaders[free_buckets] >= 0).sum(axis=1)] = record


def find_duplicates(
    rows: NDArray[np.void], leaders: NDArray[np.int32], sketches: Sketches, params: DeduplicationParams
) -> Duplicates:
    """Return which records of each cluster go, and which stays for each of them.

    A cluster's records are taken in the order of preference: those that may be scored, then fewest warnings, fewest repairs,
    the source named first in params.yaml, the longest answer, the earliest row. One that is similar to a record that stays
    goes. Evaluation items (of test-only sources and tasks, of held-out clusters) are compared among themselves: no
    training record takes the place of one; what gives them away is a leak.
    """
    comparison = Comparison(rows, sketches, params)
    result = Duplicates(
        np.full(len(rows), -1, dtype=np.int32),
        np.zeros(len(rows), dtype=np.float32),
        np.zeros(len(rows), dtype=np.bool_),
    )
    for members in _iter_pools(rows, leaders):
        kept_records = _KeptRecords(sketches.permutations)
        for record in members:
            own = sketches.read_row(record)
            similarity = comparison.compute_similarities(*kept_records.all, record, own)
            if (matches := np.flatnonzero(similarity >= params.threshold)).size:
                representative = kept_records.all[0][matches[0]]
                result.representative[record], result.similarity[record] = representative, similarity[matches[0]]
                result.exact[record] = rows["exact"][representative] == rows["exact"][record]
            else:
                kept_records.add(record, own)
    return result


class _KeptRecords:
    """The records of one pool that stay, with their sketches in one array: a template may have thousands, and each newcomer is compared with all."""

    def __init__(self, permutations: int) -> None:
        self._records, self._sketches, self._count = (
            np.empty(2, dtype=np.int64),
            np.empty((2, FIELD_SETS, permutations), dtype=np.uint8),
            0,
        )

    @property
    def all(self) -> tuple[Integers, Sketch]:
        """The records in the order in which they came, and their sketches."""
        return self._records[: self._count], self._sketches[: self._count]

    def add(self, record: int, sketches: Sketch) -> None:
        """Add a record."""
        if self._count == len(self._records):
            self._records, self._sketches = np.concatenate([self._records] * 2), np.concatenate([self._sketches] * 2)
        self._records[self._count], self._sketches[self._count] = record, sketches
        self._count += 1


def _iter_pools(rows: NDArray[np.void], leaders: NDArray[np.int32]) -> Iterator[list[int]]:
    """Yield the records of each cluster that may take each other's place, the preferred ones first, where there are several."""
    pool = leaders.astype(np.int64) * 4 + np.where(rows["bound"] == NEVER_SCORED, 0, rows["bound"])
    indices = _find_shared(pool.astype(np.uint64))[0]
    selection = rows[indices]
    keys = (
        indices,
        -selection["answer_letters"],
        selection["source"],
        selection["repairs"],
        selection["warnings"],
        selection["bound"],
        pool[indices],
    )
    order = np.lexsort(keys)
    ordered = indices[order]
    borders = np.flatnonzero(np.diff(pool[ordered])) + 1
    for members in np.split(ordered, borders):
        if members.size:
            yield members.tolist()
