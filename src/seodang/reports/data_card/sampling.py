"""A deterministic sample of a stream: the items with the lowest hashes of their keys."""

from __future__ import annotations

import hashlib
import heapq
from typing import Generic, TypeVar

Item = TypeVar("Item")

_BYTES = 8


class LowestHashes(Generic[Item]):
    """At most `size` items of a stream, each key once, in constant memory.

    The lowest hashes are a uniform sample of the distinct keys (bottom-k sketch, Cohen and Kelley 2007).
    An added item changes at most one item of the sample.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._salt = hashlib.blake2b(str(seed).encode(), digest_size=_BYTES).digest()
        self._heap: list[tuple[int, Item]] = []  # negated hash and item; the highest hash is dropped first
        self._hashes: set[int] = set()

    def add(self, key: str, item: Item) -> None:
        """Add an item if its hash is low enough; the first item of a key is kept."""
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
