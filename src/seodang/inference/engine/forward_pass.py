"""Forward passes over rows of a batch's cache."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from seodang.inference.engine.batch_shape import BatchShape
from seodang.inference.engine.slot_cache import SlotCache, WritePlan, get_read_width

logger = logging.getLogger(__name__)


class ForwardFailed(Exception):
    """A forward pass raised an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class ForwardPass:
    """Computes logits with the states in a cache, which it makes as wide as needed."""

    def __init__(self, model: PreTrainedModel, cache: SlotCache, shape: BatchShape) -> None:
        """Compute with a model.

        Args:
            model: In evaluation mode.
            cache: Of the batch.
            shape: Rounding of rows and tokens.
        """
        self._model = model
        self._cache = cache
        self._shape = shape

    def compute(
        self, rows: list[int], tokens: Tensor, positions: Tensor, columns: Tensor, *, keep: int, used_rows: int
    ) -> Tensor:
        """Return the logits of the last `keep` tokens of each row.

        Args:
            rows: Of the cache.
            tokens: (rows, tokens).
            positions: Of the tokens in their texts, (rows, tokens).
            columns: Of the cache, where their states are written, (rows, tokens).
            keep: Number of tokens from the last one.
            used_rows: Rows of the cache with states.

        Raises:
            ForwardFailed: If the model fails, such as for lack of memory. The pass may be repeated with other rows: it
                wrote nothing but states of these tokens.
        """
        try:
            return self._compute(rows, tokens, positions, columns, keep=keep, used_rows=used_rows)
        except torch.AcceleratorError:  # each later pass would fail, too
            raise
        except Exception as error:
            logger.exception("a forward pass failed", extra={"fields": {"error": type(error).__name__}})
            if self._model.device.type == "cuda":
                torch.cuda.empty_cache()
            raise ForwardFailed(error) from error

    def _compute(
        self, rows: list[int], tokens: Tensor, positions: Tensor, columns: Tensor, *, keep: int, used_rows: int
    ) -> Tensor:
        device = self._model.device
        width = get_read_width(int(columns.max()) + 1)
        self.reserve(used_rows, width, used_rows=used_rows)
        first = rows[0] if rows == list(range(rows[0], rows[0] + len(rows))) else None
        is_one_column = first is not None and columns.shape[1] == 1 and bool((columns == columns[0]).all())
        column = int(columns[0]) if is_one_column else None
        plan = WritePlan(torch.tensor(rows, device=device), columns.to(device), width, first, column)
        self._cache.set_plan(plan)
        hidden = torch.arange(width, device=device) > positions.to(device)[:, None, :, None]
        mask = torch.zeros(hidden.shape, dtype=self._model.dtype, device=device).masked_fill_(hidden, float("-inf"))
        output: Any = self._model(
            input_ids=tokens.to(device),
            position_ids=positions.to(device),
            attention_mask=self._shape.split_mask(mask),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        logits: Tensor = output.logits
        return logits[:, -keep:]

    def reserve(self, rows: int, width: int, *, used_rows: int) -> None:
        """Make room in the cache for `rows` rows of `width` tokens; the first `used_rows` rows keep their states."""
        self._cache.reserve(self._shape.round_rows(rows), width, used_rows=used_rows, max_tokens=self._shape.max_tokens)
