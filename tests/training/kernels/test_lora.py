"""The kernel computes the same as peft's layer."""

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model

from seodang.models.loading import load_model
from seodang.training.kernels.lora import fuse_lora


def add_lora(base, precision="fp32", **changes):
    torch.manual_seed(3)
    return get_peft_model(
        load_model(base, precision, "cpu"),
        LoraConfig(
            **{
                "r": 4,
                "lora_alpha": 8,
                "target_modules": "all-linear",
                "init_lora_weights": False,
                "task_type": "CAUSAL_LM",
                **changes,
            }
        ),
    )


@pytest.mark.parametrize("changes", [{}, {"use_rslora": True}])
def test_outputs_and_gradients_are_peft_s(tiny_model, changes):
    plain = add_lora(tiny_model, **changes)
    fused = copy.deepcopy(plain)
    assert fuse_lora(fused) == 14  # seven linear layers in each of two
    ids = torch.arange(12).view(2, 6)
    results = []
    for model in (plain, fused):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        results.append(
            (loss.detach(), {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad})
        )
    assert torch.allclose(results[0][0], results[1][0], atol=1e-6)
    for name, gradient in results[0][1].items():
        assert torch.allclose(gradient, results[1][1][name], rtol=1e-4, atol=1e-6), name


def test_on_a_bf16_base_the_adapter_s_gradients_are_fp32(tiny_model):
    model = add_lora(tiny_model, "bf16")
    assert fuse_lora(model) == 14
    model(input_ids=torch.arange(6)[None], labels=torch.arange(6)[None]).loss.backward()
    assert {weight.grad.dtype for weight in model.parameters() if weight.requires_grad} == {torch.float32}


@pytest.mark.parametrize("changes", [{"use_dora": True}, {"lora_dropout": 0.1}])
def test_layers_that_it_cannot_compute_are_left_to_peft(tiny_model, changes):
    assert fuse_lora(add_lora(tiny_model, **changes)) == 0
