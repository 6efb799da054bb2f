"""The fused rotation computes what the models' own rotary embeddings compute."""

import copy

import pytest
import torch
from transformers import AutoModelForCausalLM, GemmaConfig, GPTNeoXConfig, LlamaConfig, Qwen3Config

from seodang.training.kernels.rotary import fuse_rotary

SIZES = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}


def model_of(config):
    torch.manual_seed(1)
    return AutoModelForCausalLM.from_config(config)


def learned(model, dtype):
    """Return logits and the gradient of the embedding, through every layer's rotation."""
    ids = torch.arange(2 * 9).reshape(2, 9)
    logits = model.to(dtype)(input_ids=ids, position_ids=torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3]] * 2)).logits
    logits.float().square().mean().backward()
    return logits.detach().float(), model.get_input_embeddings().weight.grad.float()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("config", [LlamaConfig(**SIZES, **GROUPED), Qwen3Config(**SIZES, **GROUPED), GemmaConfig(**SIZES, **GROUPED)])
def test_logits_and_gradients_are_the_models_own(config, dtype):
    own = model_of(config)
    fused = copy.deepcopy(own)
    assert fuse_rotary(fused) == 2
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 0.05, "atol": 0.02}  # bf16 has 8 digits
    for expected, found in zip(learned(own, dtype), learned(fused, dtype), strict=True):
        assert torch.allclose(expected, found, **tolerance)


def test_other_models_of_the_class_keep_their_own_rotation():
    first, second = model_of(LlamaConfig(**SIZES)), model_of(LlamaConfig(**SIZES))
    assert fuse_rotary(first) == 2
    assert "forward" not in vars(second.model.layers[0].self_attn)
    assert fuse_rotary(first) == 0  # not twice


def test_a_model_that_turns_a_part_of_each_head_only_stays_right():
    own = model_of(GPTNeoXConfig(**SIZES, rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}))
    fused = copy.deepcopy(own)
    fuse_rotary(fused)
    for expected, found in zip(learned(own, torch.float32), learned(fused, torch.float32), strict=True):
        assert torch.allclose(expected, found, rtol=1e-5, atol=1e-6)


def test_a_function_of_that_name_that_turns_otherwise_is_left_alone(monkeypatch):
    from transformers.models.llama import modeling_llama

    monkeypatch.setattr(modeling_llama, "apply_rotary_pos_emb", lambda q, k, cos, sin, unsqueeze_dim=1: (q, k))
    assert fuse_rotary(model_of(LlamaConfig(**SIZES))) == 0
