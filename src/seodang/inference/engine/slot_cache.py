"""Key-value cache of many rows of different lengths: preallocated, written in place, grown in steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import CacheLayerMixin

_READ_STEP = 32  # tokens by which the part of the rows grows that attention reads
_GROWTH = 8  # rows grow by an eighth of their length at least, so that long answers are not copied all the time


@dataclass(frozen=True, slots=True)
class LayerShape:
    """What a layer caches for each token."""

    keys: tuple[int, int]
    """(heads, head size)."""
    values: tuple[int, int]
    dtype: torch.dtype
    device: torch.device

    @property
    def token_bytes(self) -> int:
        """Bytes of one token in this layer."""
        elements = self.keys[0] * self.keys[1] + self.values[0] * self.values[1]
        return elements * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class WritePlan:
    """Where the tokens of a forward pass, (rows R, tokens Q), belong."""

    rows: Tensor
    """(R)."""
    columns: Tensor
    """(R, Q)."""
    width: int
    """Columns that attention reads."""
    first: int | None
    """The first row where the others follow it, which attention then reads without a copy; None elsewhere."""
    column: int | None = None
    """The column where all rows write, each one token, if `first` is a row; such a write needs no index."""
    _places: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False)

    def find_places(self, heads: int, width: int) -> Tensor:
        """Return where the tokens of all heads belong in a list of all vectors of a layer.

        One index for each vector, (R * heads * Q): such a list is written twice as fast as rows and columns.

        Args:
            heads: Of the layer.
            width: Columns of the layer's cache.
        """
        if (heads, width) not in self._places:
            first = self.rows[:, None] * heads + torch.arange(heads, device=self.rows.device)
            self._places[heads, width] = (first[:, :, None] * width + self.columns[:, None]).flatten()
        return self._places[heads, width]


def round_up(number: int, step: int) -> int:
    """Return the next multiple of `step`."""
    return -(-number // step) * step


def get_read_width(length: int) -> int:
    """Return the columns that attention reads for rows of up to `length` tokens."""
    return round_up(length, _READ_STEP)


@torch.inference_mode()
def measure_layers(model: PreTrainedModel, token: int) -> list[LayerShape]:
    """Return the shapes of the cached layers, by reading one token."""
    cache = DynamicCache(config=model.config)
    model(input_ids=torch.tensor([[token]], device=model.device), past_key_values=cache, use_cache=True)
    return [_describe_layer(layer) for layer in cache.layers]


def _describe_layer(layer: Any) -> LayerShape:
    keys, values = layer.keys, layer.values
    return LayerShape(
        (keys.shape[1], keys.shape[3]), (values.shape[1], values.shape[3]), dtype=keys.dtype, device=keys.device
    )


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer, (rows, heads, columns, head size)."""

    keys: Tensor
    values: Tensor

    def __init__(self, shape: LayerShape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shape = shape
        self.is_initialized = True
        self.plan: WritePlan | None = None
        self.keys, self.values = self._create(0, 0)

    def _create(self, rows: int, width: int) -> tuple[Tensor, Tensor]:
        keys, values = (
            torch.zeros(rows, heads, width, size, dtype=self._shape.dtype, device=self._shape.device)
            for heads, size in (self._shape.keys, self._shape.values)
        )
        return keys, values

    def reserve(self, rows: int, width: int) -> None:
        """Replace the tensors by ones with any values, for states that are written before they are read."""
        self.keys, self.values = (
            torch.empty(rows, heads, width, size, dtype=self._shape.dtype, device=self._shape.device)
            for heads, size in (self._shape.keys, self._shape.values)
        )

    def resize(self, rows: int, width: int, used_rows: int) -> None:
        """Replace the tensors by larger or smaller ones with the states of the first `used_rows` rows."""
        old_keys, old_values = self.keys, self.values
        self.keys, self.values = self._create(rows, width)
        kept = min(width, old_keys.shape[2])
        self.keys[:used_rows, :, :kept] = old_keys[:used_rows, :, :kept]
        self.values[:used_rows, :, :kept] = old_values[:used_rows, :, :kept]

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write the states of new tokens; return those of all tokens of the rows."""
        plan = self.plan
        assert plan is not None
        rows = plan.rows if plan.first is None else slice(plan.first, plan.first + len(plan.rows))
        if plan.column is None:
            for states, new in ((self.keys, key_states), (self.values, value_states)):
                places = plan.find_places(states.shape[1], states.shape[2])
                states.view(-1, states.shape[3]).index_copy_(0, places, new.flatten(0, 2))
        else:
            self.keys[rows, :, plan.column : plan.column + 1] = key_states
            self.values[rows, :, plan.column : plan.column + 1] = value_states
        return self.keys[rows, :, : plan.width], self.values[rows, :, : plan.width]

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Do nothing: the shapes are known before."""

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the columns that attention reads, and the first of them."""
        return (self.plan.width if self.plan else 0), 0

    def get_seq_length(self) -> int:
        """Return 0: each row has its own length, and forward passes get their positions."""
        return 0

    def get_max_length(self) -> int:
        """Return the columns."""
        return int(self.keys.shape[2])


class SlotCache(Cache):
    """Cache of a batch whose rows come and go."""

    def __init__(self, shapes: Sequence[LayerShape]) -> None:
        self.slots = [SlotLayer(shape) for shape in shapes]
        super().__init__(layers=list(self.slots))
        self.rows = self.width = 0

    def reserve(self, rows: int, width: int, *, used_rows: int, max_tokens: int) -> None:
        """Make room for `rows` rows of `width` tokens; the first `used_rows` rows keep their states.

        Rows are allocated ahead, but not beyond `max_tokens` tokens in all. Columns are not: attention reads rows that
        lie close together up to a third faster than the beginnings of longer ones.
        """
        if rows <= self.rows and width <= self.width:
            return
        new_width = self.width
        if width > self.width:
            new_width = get_read_width(max(width, self.width + self.width // _GROWTH))
        ahead = max(self.rows, 1 << (rows - 1).bit_length())
        self._resize(max(rows, min(ahead, max_tokens // new_width)), new_width, used_rows)

    def trim(self, width: int, *, used_rows: int) -> None:
        """Give columns back if no row needs more than half of them; the first `used_rows` rows keep their states."""
        width = get_read_width(width)
        if 2 * width <= self.width:
            self._resize(self.rows, width, used_rows)

    def release(self) -> None:
        """Free the memory of all rows."""
        self._resize(0, 0, 0)

    def _resize(self, rows: int, width: int, used_rows: int) -> None:
        try:
            for layer in self.slots:
                layer.resize(rows, width, used_rows)
        finally:  # where memory is short, some layers keep their size
            self.rows = min((int(layer.keys.shape[0]) for layer in self.slots), default=rows)
            self.width = min((int(layer.keys.shape[2]) for layer in self.slots), default=width)

    def set_plan(self, plan: WritePlan) -> None:
        """Set where the next forward pass writes."""
        for layer in self.slots:
            layer.plan = plan

    def copy_row(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of a row into another one."""
        for layer in self.slots:
            for states in (layer.keys, layer.values):
                states[target, :, :length] = states[source, :, :length]

    def exchange_rows(self, first: int, second: int) -> None:
        """Exchange the states of two rows."""
        for layer in self.slots:
            for states in (layer.keys, layer.values):
                kept = states[first].clone()
                states[first] = states[second]
                states[second] = kept

    def clear_row(self, row: int) -> None:
        """Set a row to zero: NaN would spread from columns that a later row does not see."""
        for layer in self.slots:
            layer.keys[row] = 0
            layer.values[row] = 0
