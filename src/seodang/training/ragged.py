"""Token sequences of different lengths in flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sequences:
    """Token sequences of different lengths, one after the other."""

    ids: NDArray[np.int32]  # (tokens,)
    offsets: NDArray[np.int64]  # (sequences + 1,): start of each; the last is the number of tokens

    @classmethod
    def from_lists(cls, lists: Iterable[Sequence[int]]) -> Self:
        """Return the lists as flat sequences."""
        sequences = list(lists)
        lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
        return cls(np.fromiter(chain.from_iterable(sequences), np.int32, int(lengths.sum())), compute_offsets(lengths))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each, shape (sequences,)."""
        return np.diff(self.offsets)

    def take(self, indices: NDArray[np.int64]) -> Sequences:
        """Return the sequences of these indices, in this order."""
        lengths = self.lengths[indices]
        offsets = compute_offsets(lengths)
        positions = np.repeat(self.offsets[indices] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Sequences(self.ids[positions], offsets)

    def join(self, counts: NDArray[np.int64]) -> Sequences:
        """Return the first counts[0] sequences as one, the next counts[1] as one, and so on."""
        return Sequences(self.ids, self.offsets[compute_offsets(counts)])


def compute_offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the start of each part, given the lengths of the parts, and the end of the last."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


Key = TypeVar("Key")


class IndexMap(dict[Key, int]):
    """Give each new key the next index, from 0."""

    def __missing__(self, key: Key) -> int:
        index = self[key] = len(self)
        return index
