"""Generation with an adapter costs no more than without one."""

import pytest
import torch

from seodang.errors import EvaluationError
from seodang.inference.generation import generate
from seodang.models.adapters import load_adapter
from seodang.models.loading import load_model


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, make_tiny_adapter, make_tiny_model):
    base, adapter = (tmp_path_factory.mktemp(name) for name in ("base", "adapter"))
    make_tiny_model(base)
    make_tiny_adapter(base, adapter)
    return load_adapter(load_model(base, "bf16", "cpu"), adapter)


def test_the_output_layer_of_a_frozen_model_multiplies_all_rows_at_once(tuned, monkeypatch):
    """torch multiplies a slice by a frozen matrix row by row, and copies the matrix each time: 4 GB for Gemma."""
    batched = []
    monkeypatch.setattr(
        torch.nn.functional,
        "linear",
        _watch_linear(torch.nn.functional.linear, tuned.get_output_embeddings().weight, batched),
    )
    generate(tuned, [[5, 6, 7], [5, 6]], end_id=1, max_new_tokens=3, batch_tokens=64)
    assert batched
    assert all(batched)


def _watch_linear(linear, weight, seen):
    def watch(x, matrix, bias=None):
        if matrix is weight:
            seen.append(x.is_contiguous())
        return linear(x, matrix, bias)

    return watch


def test_the_model_is_left_as_it_was(tuned):
    head = tuned.get_output_embeddings()
    before = len(head._forward_pre_hooks)
    generate(tuned, [[5, 6]], end_id=1, max_new_tokens=2, batch_tokens=64)
    assert len(head._forward_pre_hooks) == before


def test_an_answer_of_nan_is_refused(tiny_model):
    model = load_model(tiny_model, "fp32", "cpu")
    model.model.norm.weight.data.fill_(float("nan"))
    with pytest.raises(EvaluationError, match=r"the model answers with NaN.*use train\.precision fp32"):
        generate(model, [[5, 6, 7]], end_id=1, max_new_tokens=3, batch_tokens=64)
