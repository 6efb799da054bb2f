"""Packed products have few numbers of rows: oneDNN keeps code for each one. Run: pytest tests/models/kernels"""

import pytest
import torch
from tests.models.kernels.test_packed_linear import compute, make_llama
from torch import nn

from seodang.models.kernels import packed_linear
from seodang.models.kernels.packed_linear import PackedLinears
from seodang.models.kernels.row_counts import list_row_counts, round_row_count


@pytest.fixture
def multiplied(monkeypatch):
    """The numbers of rows that oneDNN gets, with the shape of each weight."""
    seen = set()
    multiply = packed_linear._Product._multiply_rows

    def record(product, values):
        seen.add((values.shape[:-1].numel(), product.shape))
        return multiply(product, values)

    monkeypatch.setattr(packed_linear._Product, "_multiply_rows", record)
    return seen


def test_a_product_has_few_numbers_of_rows_and_little_padding():
    counts = [round_row_count(rows) for rows in range(1, 4097)]
    assert counts[:18] == [2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14, 16, 16, 18, 18]
    assert all(rows <= count < max(2, 1.125 * rows) + 1 for rows, count in enumerate(counts, start=1))
    assert list_row_counts(4096) == sorted(set(counts))
    assert len(list_row_counts(320)) == 42


def test_after_the_preparation_no_forward_pass_needs_another_product(multiplied):
    model = make_llama()
    packed = PackedLinears.pack(model)
    packed.prepare(60)
    prepared = set(multiplied)

    for rows, tokens in ((1, 1), (3, 1), (1, 47), (2, 29), (3, 20)):
        compute(model, torch.full((rows, tokens), 5))

    assert multiplied == prepared
    assert len({count for count, _shape in prepared}) == len(list_row_counts(60))


def test_large_outputs_are_not_prepared(multiplied, monkeypatch):
    monkeypatch.setattr(packed_linear, "_MAX_PREPARED_BYTES", 8 * 4 * 100)
    packed = PackedLinears.pack(nn.Linear(16, 100))
    multiplied.clear()

    packed.prepare(60)

    assert max(rows for rows, _shape in multiplied) == 8


def test_no_rows_are_no_error():
    layer = nn.Linear(16, 8)
    PackedLinears.pack(layer)
    with torch.inference_mode():
        assert layer(torch.zeros(2, 0, 16)).shape == (2, 0, 8)
