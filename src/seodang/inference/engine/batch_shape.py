"""Rounding of the shapes of forward passes, on which the rounding of numbers depends.

A matrix product chooses its kernel by the number of rows, and kernels add in different orders. So the last bits of a
logit may depend on what else is running, and a near-tie may be decided otherwise. MKL gives each row of a product the
same bits for any multiple of 4 rows, and oneDNN with packed weights for any number from 2. With fixed shapes this holds
wherever rows do not influence each other.

On a CPU with several threads, torch's fused attention gives each thread a buffer that need not be aligned. In an
unaligned buffer MKL adds in another order. So the last bits depend on the thread of a row. Attention of separate
products has no buffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from seodang.inference.engine.slot_cache import round_up

_ROW_STEP = 4
_PACKED_ROW_STEP = 2
_FIXED_ROWS = 16
_FIXED_CHUNK = 64


@dataclass(frozen=True, slots=True)
class BatchShape:
    """Shapes of forward passes."""

    chunk_tokens: int
    """Padded tokens of a forward pass over prompts."""
    max_tokens: int
    """Tokens in the cache."""
    mask_names: tuple[str, ...]
    """Kinds of layers that get a mask each; empty if there is one for all."""
    is_fixed: bool = False
    """Whether all forward passes have one shape: slower, but equal bits on every device."""
    is_packed: bool = False
    """Whether all weights of the model are packed; see kernels.packed_linear."""

    @property
    def _row_step(self) -> int:
        return _PACKED_ROW_STEP if self.is_packed else _ROW_STEP

    @property
    def min_logits(self) -> int:
        """Positions of each chunk whose logits are computed; the last one is needed."""
        return self._row_step

    @property
    def max_prompt_rows(self) -> int | None:
        """Prompts in a forward pass; None for no limit."""
        return 1 if self.is_fixed else None

    @property
    def answer_rows(self) -> int | None:
        """Rows of each forward pass over answers; None for all that are running."""
        return _FIXED_ROWS if self.is_fixed else None

    def round_rows(self, rows: int) -> int:
        """Return the rows of a forward pass, or of the cache, for `rows` answers."""
        return round_up(rows, _FIXED_ROWS if self.is_fixed else self._row_step)

    def round_chunk(self, tokens: int) -> int:
        """Return the padded tokens of each row for a longest chunk of `tokens`."""
        return round_up(tokens, _FIXED_CHUNK if self.is_fixed else self._row_step)

    def split_mask(self, mask: Tensor) -> Any:
        """Return the mask as the model takes it; all windows are longer than the rows."""
        return dict.fromkeys(self.mask_names, mask) if self.mask_names else mask


@contextmanager
def use_attention(model: PreTrainedModel, implementation: str | None) -> Iterator[None]:
    """Replace the attention of a model for some time.

    Args:
        model: A model that supports the implementation.
        implementation: Name in transformers; None changes nothing.
    """
    previous = model.config._attn_implementation
    if implementation is not None:
        model.set_attn_implementation(implementation)
    try:
        yield
    finally:
        if implementation is not None:
            model.set_attn_implementation(previous)


def get_block_size(is_fixed: bool) -> int:
    """Return the tokens of a block of the prefix cache; with fixed shapes a block is one forward pass."""
    return _FIXED_CHUNK if is_fixed else 16


def get_chunk_tokens(device: str, is_fixed: bool) -> int:
    """Return the padded tokens of prompts that a forward pass reads."""
    if is_fixed:
        return _FIXED_CHUNK
    return 256 if device == "cpu" else 2048
