"""Rows of the cache keep their states while it grows and shrinks."""

from __future__ import annotations

import pytest
import torch

from seodang.inference.engine.slot_cache import LayerShape, SlotCache, WritePlan

HEADS, SIZE, ROWS = 3, 4, 2


@pytest.fixture
def cache() -> SlotCache:
    cache = SlotCache([LayerShape((HEADS, SIZE), (HEADS, SIZE + 2), torch.float32, torch.device("cpu"))])
    cache.reserve(ROWS, 40, used_rows=0, max_tokens=10_000)
    return cache


def write(cache: SlotCache, columns: list[list[int]], width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Write random states at the columns of each row; return the keys and values that were written."""
    keys, values = (torch.randn(ROWS, HEADS, len(columns[0]), size) for size in (SIZE, SIZE + 2))
    cache.set_plan(WritePlan(torch.arange(ROWS), torch.tensor(columns), width, 0))
    cache.update(keys, values, 0)
    return keys, values


@pytest.mark.parametrize("columns", [[[3], [30]], [[0, 1, 2], [7, 8, 9]]])
def test_tokens_are_written_at_their_own_columns(cache, columns):
    keys, values = write(cache, columns, 64)
    layer = cache.slots[0]
    for row, places in enumerate(columns):
        for token, column in enumerate(places):
            assert torch.equal(layer.keys[row, :, column], keys[row, :, token])
            assert torch.equal(layer.values[row, :, column], values[row, :, token])
    assert layer.keys.count_nonzero() == keys.numel()


def test_no_more_columns_are_allocated_than_attention_reads(cache):
    assert cache.width == 64
    for width in (65, 97, 129):
        cache.reserve(ROWS, width, used_rows=ROWS, max_tokens=10_000)
        assert cache.width - width < 32


def test_a_long_row_is_not_copied_for_every_few_tokens(cache):
    cache.reserve(ROWS, 1024, used_rows=ROWS, max_tokens=10_000)
    cache.reserve(ROWS, 1025, used_rows=ROWS, max_tokens=10_000)
    assert cache.width == 1152


@pytest.mark.parametrize(("width", "left"), [(33, 64), (32, 32)])
def test_the_columns_of_a_long_request_are_given_back(cache, width, left):
    keys, _values = write(cache, [[3], [30]], 64)
    cache.trim(width, used_rows=ROWS)
    assert cache.width == left == cache.slots[0].keys.shape[2]
    assert torch.equal(cache.slots[0].keys[1, :, 30], keys[1, :, 0])


def test_rows_keep_their_states_when_the_cache_grows(cache):
    keys, values = write(cache, [[3], [30]], 64)
    cache.reserve(5, 200, used_rows=ROWS, max_tokens=10_000)
    layer = cache.slots[0]
    assert (cache.rows, cache.width) == (8, 224)
    assert torch.equal(layer.keys[1, :, 30], keys[1, :, 0])
    assert torch.equal(layer.values[0, :, 3], values[0, :, 0])
    assert layer.keys.count_nonzero() == keys.numel()  # NaN in a free column would spread
