"""A sample that is the same on every run: the items whose keys hash lowest."""

from __future__ import annotations

import hashlib
import heapq
from typing import Generic, TypeVar

Item = TypeVar("Item")

_BYTES = 8


class LowestHashes(Generic[Item]):
    """At most `size` items of a stream, each key once; memory does not grow with the stream.

    Lowest hashes make a uniform sample of the distinct keys (bottom-k sketch, Cohen and Kelley 2007),
    and an item that is added to the data changes the sample by one item at the most.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._salt = hashlib.blake2b(str(seed).encode(), digest_size=_BYTES).digest()
        self._heap: list[tuple[int, Item]] = []  # negated hash: the highest one is dropped first
        self._hashes: set[int] = set()

    def add(self, key: str, item: Item) -> None:
        """Offer an item; of two with the same key the first is kept."""
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_BYTES, salt=self._salt).digest()
        value = int.from_bytes(digest, "big")
        if value in self._hashes or (len(self._heap) == self._size and (not self._size or value > -self._heap[0][0])):
            return
        self._hashes.add(value)
        heapq.heappush(self._heap, (-value, item))
        if len(self._heap) > self._size:
            self._hashes.discard(-heapq.heappop(self._heap)[0])

    def items(self) -> list[Item]:
        """Return the sample, lowest hash first."""
        return [item for _, item in sorted(self._heap, key=lambda pair: -pair[0])]
