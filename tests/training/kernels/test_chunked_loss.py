"""The chunked loss and its gradients equal those of full logits for any chunk size."""

import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from seodang.training.kernels import chunked_loss
from seodang.training.kernels.chunked_loss import chunked_cross_entropy


def compute_full_loss(hidden, weight, bias, targets, softcap, scale):
    logits = linear(hidden, weight, bias).float() * scale
    if softcap is not None:
        logits = torch.tanh(logits / softcap) * softcap
    return cross_entropy(logits, targets, reduction="sum")


@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("with_bias", [False, True])
def test_loss_and_gradients_are_those_of_all_logits_at_once(monkeypatch, softcap, scale, with_bias):
    monkeypatch.setattr(chunked_loss, "_CHUNK_BYTES", 1)  # chunks of 16 rows
    monkeypatch.setattr(chunked_loss, "_SLICE_BYTES", 3 * 50 * 4)  # of which three at a time
    torch.manual_seed(0)
    targets = torch.randint(50, (37,))
    results = []
    for compute_loss in (
        compute_full_loss,
        lambda *values: chunked_cross_entropy(*values[:4], softcap=values[4], scale=values[5]),
    ):
        torch.manual_seed(1)
        hidden, weight = torch.randn(37, 8, requires_grad=True), torch.randn(50, 8, requires_grad=True)
        bias = torch.randn(50, requires_grad=True) if with_bias else None
        loss = compute_loss(hidden, weight, bias, targets, softcap, scale)
        (loss * 0.25).backward()
        results.append([loss.detach(), hidden.grad, weight.grad, *([bias.grad] if with_bias else [])])
    for expected, found in zip(*results, strict=True):
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_in_bf16_the_loss_is_summed_in_fp32():
    torch.manual_seed(0)
    hidden, weight, targets = (
        torch.randn(300, 16).bfloat16(),
        torch.randn(500, 16).bfloat16(),
        torch.randint(500, (300,)),
    )
    expected = cross_entropy(linear(hidden, weight).float(), targets, reduction="sum")
    assert float(chunked_cross_entropy(hidden, weight, None, targets)) == pytest.approx(float(expected), rel=1e-5)


def test_a_frozen_head_gets_no_gradient():
    hidden, weight = torch.randn(3, 4, requires_grad=True), torch.randn(5, 4)
    chunked_cross_entropy(hidden, weight, None, torch.tensor([0, 1, 2])).backward()
    assert hidden.grad is not None
    assert weight.grad is None
