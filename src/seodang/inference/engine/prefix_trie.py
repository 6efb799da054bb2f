"""Which beginnings of prompts are cached: a trie of token blocks with a least-recently-used order.

The trie knows numbers of blocks, not their states (prefix_store.py).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

_Key = tuple[int | str | None, tuple[int, ...]]
"""Number of the parent block, or the adapter for the first block of a prompt, and the tokens of the block."""


class PrefixTrie:
    """Blocks of tokens that follow each other; blocks of one adapter are never those of another.

    A block is newer in the order of use than those that follow it. So the oldest one is always an end of the trie.
    """

    def __init__(self, block_size: int, max_blocks: int) -> None:
        """Create an empty trie.

        Args:
            block_size: Tokens of a block, at least 1.
            max_blocks: Maximum number of blocks; 0 caches nothing.
        """
        self.block_size = block_size
        self._free = list(range(max_blocks - 1, -1, -1))
        self._blocks: dict[_Key, int] = {}
        self._keys: OrderedDict[int, _Key] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of cached blocks."""
        return len(self._keys)

    def match(self, adapter: str | None, tokens: Sequence[int]) -> list[int]:
        """Return the numbers of the blocks that the tokens begin with, and mark them as used now."""
        path: list[int] = []
        for key in self._iter_keys(adapter, tokens, path):
            if (block := self._blocks.get(key)) is None:
                break
            path.append(block)
        self._touch(path)
        return path

    def insert(self, adapter: str | None, tokens: Sequence[int]) -> list[tuple[int, int]]:
        """Add the complete blocks of the tokens; return the new ones, (number, index of its first token).

        The blocks that were not used for the longest time make room. A beginning that is longer than the trie is cut.
        """
        path = self.match(adapter, tokens)
        known = len(path)
        for key in self._iter_keys(adapter, tokens, path):
            block = self._take_free_block(path)
            if block is None:
                break
            self._blocks[key] = block
            self._keys[block] = key
            path.append(block)
        self._touch(path)
        return [(block, index * self.block_size) for index, block in enumerate(path)][known:]

    def remove_all(self) -> None:
        """Remove all blocks."""
        self._free += self._keys
        self._blocks.clear()
        self._keys.clear()

    def _iter_keys(self, adapter: str | None, tokens: Sequence[int], path: list[int]) -> Iterator[_Key]:
        """Yield the key of the block after the path, which the caller extends, up to the last complete block."""
        size = self.block_size
        while (len(path) + 1) * size <= len(tokens):
            # A text is never the number of a block, so an adapter is never a block; None is the model itself.
            parent: int | str | None = path[-1] if path else adapter
            start = len(path) * size
            yield parent, tuple(tokens[start : start + size])

    def _take_free_block(self, path: list[int]) -> int | None:
        if self._free:
            return self._free.pop()
        oldest = next(iter(self._keys), None)
        if oldest is None or oldest in path:
            return None
        del self._blocks[self._keys.pop(oldest)]
        return oldest

    def _touch(self, path: list[int]) -> None:
        for block in reversed(path):
            self._keys.move_to_end(block)
