"""Similarity of records: the Jaccard similarity of the fields that two records do not share, estimated by MinHash."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seodang.config import DeduplicationParams
from seodang.preparation.minhash import (
    ALL_FIELDS,
    ANSWER,
    REST,
    WITHOUT_INPUT,
    Sketch,
    Sketches,
    estimate_similarities,
)
from seodang.preparation.shingles import Integers

# The compared fields: the answer, and the fields that differ. Indexed by [same instruction, same input].
_FIELD_SET_BY_MATCH = np.array([[ALL_FIELDS, WITHOUT_INPUT], [REST, ANSWER]])


class Comparison:
    """Computes the similarity of records from their features and sketches."""

    def __init__(self, rows: NDArray[np.void], sketches: Sketches, params: DeduplicationParams) -> None:
        """Copy the most used columns of the rows into contiguous arrays."""
        self._sketches, self.params = sketches, params
        self._exact, self._instruction, self._input = (
            np.ascontiguousarray(rows[name]) for name in ("exact", "instruction", "input")
        )
        self._lengths = compute_lengths(rows)

    def compute_similarity(self, first: int, second: int) -> float:
        """Return the estimated Jaccard similarity of two records, 0 to 1.

        It is 1 for the same normalized text. Else it is 0 if fewer than `min_characters` are left to compare.
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
        """Return the similarity of a record to each of n other records.

        Args:
            others: Indices of the n other records.
            sketches: Their sketches, n x FIELD_SETS x P.
            record: Index of the record.
            own: Its sketches, FIELD_SETS x P.
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


def compute_lengths(rows: NDArray[np.void]) -> NDArray[np.int32]:
    """Return the number of letters of each field set of each record, FIELD_SETS x records."""
    instruction, input_letters, answer = (rows[f"{name}_letters"] for name in ("instruction", "input", "answer"))
    by_field_set = {
        ALL_FIELDS: instruction + input_letters + answer,
        REST: input_letters + answer,
        WITHOUT_INPUT: instruction + answer,
        ANSWER: answer,
    }
    return np.stack([by_field_set[field_set] for field_set in sorted(by_field_set)])
