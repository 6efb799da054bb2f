"""States of the beginnings that prompts share, in blocks of a preallocated pool."""

from __future__ import annotations

from collections.abc import Sequence

from seodang.inference.engine.prefix_trie import PrefixTrie
from seodang.inference.engine.slot_cache import LayerShape, SlotCache, SlotLayer

_MAX_BYTES = 2**30  # 8,192 tokens of a model of 4 B parameters would take 2 GiB in fp32


class PrefixStore:
    """Copies states between the rows of caches and the blocks of the pool."""

    def __init__(self, shapes: Sequence[LayerShape], *, block_size: int, max_tokens: int) -> None:
        """Create an empty store.

        Args:
            shapes: Of the layers.
            block_size: Tokens of a block.
            max_tokens: Maximum number of cached tokens; 0 caches nothing. A large model has fewer: see _MAX_BYTES.
        """
        self.block_size = block_size
        token_bytes = sum(shape.token_bytes for shape in shapes)
        self._max_blocks = min(max_tokens, _MAX_BYTES // max(token_bytes, 1)) // block_size
        self._trie = PrefixTrie(block_size, self._max_blocks)
        self._layers = [SlotLayer(shape) for shape in shapes]
        self._is_allocated = False
        self.queried_tokens = 0
        """Tokens of prompts that were looked up."""
        self.hit_tokens = 0
        """Tokens of prompts that were found."""

    @property
    def cached_tokens(self) -> int:
        """Tokens in the store."""
        return len(self._trie) * self.block_size

    def restore(self, adapter: str | None, prompt: Sequence[int], cache: SlotCache, row: int, position: int) -> int:
        """Copy the cached beginning of a prompt into a row; return the number of tokens that the row has now.

        The last token of a prompt is never taken from the store: its logits are needed.

        Args:
            adapter: Adapter of the request.
            prompt: All tokens of the prompt.
            cache: Cache of the row.
            row: Number of the row.
            position: Tokens that the row has already.
        """
        blocks = self._trie.match(adapter, prompt[:-1])
        found = len(blocks) * self.block_size
        if found <= position:
            return position
        self.hit_tokens += found - position
        for slot, pool in zip(cache.slots, self._layers, strict=True):
            for row_states, states in ((slot.keys[row], pool.keys), (slot.values[row], pool.values)):
                row_states[:, :found] = states[blocks].transpose(0, 1).flatten(1, 2)
        return found

    def save(self, adapter: str | None, prompt: Sequence[int], cache: SlotCache, row: int) -> None:
        """Copy the complete blocks of tokens that a row has read into the store."""
        new = self._trie.insert(adapter, prompt)
        if not new:
            return
        self._allocate()
        blocks = [block for block, _start in new]
        first, count = new[0][1], len(new)
        end = first + count * self.block_size
        for slot, pool in zip(cache.slots, self._layers, strict=True):
            for row_states, states in ((slot.keys[row], pool.keys), (slot.values[row], pool.values)):
                states[blocks] = row_states[:, first:end].unflatten(1, (count, self.block_size)).transpose(0, 1)

    def clear(self) -> None:
        """Forget all states."""
        self._trie.remove_all()

    def _allocate(self) -> None:
        """Reserve the pool with the first block: the system gives memory to the blocks as they are written.

        A pool that grows would have to be copied, and would leave gaps of freed memory.
        """
        if not self._is_allocated:
            for layer in self._layers:
                layer.reserve(self._max_blocks, self.block_size)
            self._is_allocated = True
