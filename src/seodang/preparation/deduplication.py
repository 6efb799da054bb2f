"""Deduplication: find exact and near-duplicates, and select the record of each group that is kept.

Two records are near-duplicates if the MinHash estimate of the Jaccard similarity of their character shingles reaches
the threshold. The comparison leaves out an instruction or an input that both records share exactly. Twenty questions
about one passage, or one instruction with twenty inputs, share most of their text and are still different records.

Clusters grow in the order of the records. A record joins the earliest similar leader, or else becomes a leader.
Appended records therefore never change the cluster of an earlier record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seodang.config import DeduplicationParams
from seodang.preparation.comparison import Comparison, compute_lengths
from seodang.preparation.features import find_templates_so_far
from seodang.preparation.minhash import ALL_FIELDS, FIELD_SETS, REST, Sketch, Sketches
from seodang.preparation.shingles import Hashes, Integers
from seodang.preparation.splitting import NEVER_SCORED, ONLY_TEST

# A record is compared with this many leaders of a bucket, the earliest ones. Otherwise a bucket of boilerplate would
# cost the square of its size. Similar records share buckets in several bands, so few pairs are lost.
_MAX_LEADERS = 4


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The removed duplicates, as arrays with one value for each record."""

    representative: NDArray[np.int32]  # index of the kept record that replaces it; -1: not removed
    similarity: NDArray[np.float32]  # similarity to the representative; 0: not removed
    exact: NDArray[np.bool_]  # whether both have the same normalized text


def find_leaders(rows: NDArray[np.void], sketches: Sketches, params: DeduplicationParams) -> NDArray[np.int32]:
    """Return the index of the leader of each record's cluster: the record itself, or an earlier similar one."""
    comparison = Comparison(rows, sketches, params)
    leaders = _find_exact_leaders(rows)
    is_first = leaders == np.arange(len(rows))
    by_rest = find_templates_so_far(rows, params.template_after)
    lengths = compute_lengths(rows)
    candidates = np.flatnonzero(
        rows["usable"] & is_first & (np.where(by_rest, lengths[REST], lengths[ALL_FIELDS]) >= params.min_characters)
    )
    buckets, count = _compute_buckets(candidates, by_rest[candidates], sketches)
    _assign_leaders(leaders, candidates, buckets, count, comparison)
    return leaders[leaders]  # the first record with the same text may have joined an earlier leader


def _find_exact_leaders(rows: NDArray[np.void]) -> NDArray[np.int32]:
    """Return the first record with the same normalized text for each record; an unusable record is its own leader."""
    leaders = np.arange(len(rows), dtype=np.int32)
    usable = np.flatnonzero(rows["usable"])
    _, firsts, members = np.unique(rows["exact"][usable], return_index=True, return_inverse=True)
    leaders[usable] = usable[firsts[members]]
    return leaders


def _compute_buckets(
    candidates: NDArray[np.int64], by_rest: NDArray[np.bool_], sketches: Sketches
) -> tuple[NDArray[np.int32], int]:
    """Return the bucket of each candidate in each band, and the number of buckets.

    The buckets are an array of candidates x bands; -1: no other record has the same key. Only the keys of one band
    are in memory at a time.
    """
    buckets = np.full((candidates.size, sketches.bands), -1, dtype=np.int32)
    count = 0
    for band in range(sketches.bands):
        keys = sketches.read_band_keys(ALL_FIELDS, band)[candidates]
        keys[by_rest] = sketches.read_band_keys(REST, band)[candidates[by_rest]]
        order, numbers = _find_shared(keys)
        buckets[order, band] = numbers + count
        count += int(numbers.max(initial=-1)) + 1
    return buckets, count


def _find_shared(keys: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the keys that occur more than once, and a number for each distinct key."""
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
    """Write the leader of each candidate into `leaders`, in the order of the records."""
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
    """Return the records of each cluster that are removed, and the kept record that replaces each of them.

    The records of a cluster are ordered by preference: records that may be scored, fewest warnings, fewest repairs,
    first source in params.yaml, longest answer, earliest row. A record that is similar to an already kept one is
    removed. Evaluation items (of test-only sources and tasks, and of held-out clusters) are compared only with each
    other. A training record never replaces an item; decontamination finds the records that leak one. Of the items of
    test-only sources and tasks only exact copies are removed: people chose these items, and the gate counts
    near-duplicates as one group.
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
            is_match = similarity >= params.threshold
            if rows["constraint"][record] == ONLY_TEST:
                is_match &= rows["exact"][kept_records.all[0]] == rows["exact"][record]
            if (matches := np.flatnonzero(is_match)).size:
                representative = kept_records.all[0][matches[0]]
                result.representative[record], result.similarity[record] = representative, similarity[matches[0]]
                result.exact[record] = rows["exact"][representative] == rows["exact"][record]
            else:
                kept_records.add(record, own)
    return result


class _KeptRecords:
    """The kept records of one pool, with their sketches in one array.

    A template may have thousands of kept records, and each new record is compared with all of them.
    """

    def __init__(self, permutations: int) -> None:
        self._records, self._sketches, self._count = (
            np.empty(2, dtype=np.int64),
            np.empty((2, FIELD_SETS, permutations), dtype=np.uint8),
            0,
        )

    @property
    def all(self) -> tuple[Integers, Sketch]:
        """The records in the order of their addition, and their sketches."""
        return self._records[: self._count], self._sketches[: self._count]

    def add(self, record: int, sketches: Sketch) -> None:
        """Add a record."""
        if self._count == len(self._records):
            self._records, self._sketches = np.concatenate([self._records] * 2), np.concatenate([self._sketches] * 2)
        self._records[self._count], self._sketches[self._count] = record, sketches
        self._count += 1


def _iter_pools(rows: NDArray[np.void], leaders: NDArray[np.int32]) -> Iterator[list[int]]:
    """Yield each group of two or more records of a cluster that may replace each other, preferred records first."""
    pool = leaders.astype(np.int64) * 4 + np.where(rows["constraint"] == NEVER_SCORED, 0, rows["constraint"])
    indices = _find_shared(pool.astype(np.uint64))[0]
    selection = rows[indices]
    keys = (
        selection["id"],  # not the order of the records, which changes when rows are added
        -selection["answer_letters"],
        selection["source"],
        selection["repairs"],
        selection["warnings"],
        selection["constraint"],
        pool[indices],
    )
    order = np.lexsort(keys)
    ordered = indices[order]
    borders = np.flatnonzero(np.diff(pool[ordered])) + 1
    for members in np.split(ordered, borders):
        if members.size:
            yield members.tolist()
