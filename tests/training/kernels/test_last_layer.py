"""The last layer computes the label positions only."""

import torch

from seodang.models.loading import load_model
from seodang.training.kernels.chunked_loss import patch_completion_loss


def test_only_the_predicting_rows_pass_through_the_last_layer_s_feed_forward(tmp_path, make_tiny_model):
    model = load_model(make_tiny_model(tmp_path), "fp32", "cpu")
    patch_completion_loss(model)
    row_counts = []
    for layer in model.model.layers:
        layer.mlp.gate_proj.register_forward_hook(lambda _, inputs, __: row_counts.append(inputs[0].shape[:-1].numel()))
    model(input_ids=torch.arange(10)[None], label_positions=torch.tensor([3, 7, 7]), targets=torch.tensor([1, 2, 3]))
    assert row_counts == [10, 2]


def test_without_predictors_the_model_answers_as_before(tmp_path, make_tiny_model):
    make_tiny_model(tmp_path)
    ids = torch.arange(8)[None]
    plain, patched = load_model(tmp_path, "fp32", "cpu"), load_model(tmp_path, "fp32", "cpu")
    patch_completion_loss(patched)
    with torch.no_grad():
        expected = plain(input_ids=ids).logits
        patched(input_ids=ids, label_positions=torch.tensor([2]), targets=torch.tensor([1]))
        assert torch.equal(patched(input_ids=ids).logits, expected)
        assert torch.allclose(
            patched(input_ids=ids, label_positions=torch.tensor([5, 2])).logits, expected[0, [5, 2]], atol=1e-5
        )
