"""The check before training finds what packing would change: windows, arguments of attention, positions, exceptions."""

import copy

import numpy as np
import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GptOssConfig,
    GptOssForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PhimoeConfig,
    PhimoeForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from seodang.errors import ModelError
from seodang.models.architecture import get_rope_boundary
from seodang.training.dataset import DatasetCounts, TokenizedDataset
from seodang.training.kernels.packed_attention import packed_attention
from seodang.training.loss_check import patch_and_verify_loss
from seodang.training.packing import PackingConfig, iter_micro_batches, plan_micro_batches

PACKED = PackingConfig(
    tokens_per_micro_batch=512, packed=True, share_prefixes=True, pad_token_id=0, pad_to_multiple_of=1
)
SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
}
EXPERTS = {
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 24,
}
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "short_factor": [1.0] * 4,
    "long_factor": [1.0, 4.0, 16.0, 32.0],
    "original_max_position_embeddings": 20,
}


def make_records(*lengths):
    rng = np.random.default_rng(0)
    ids = [rng.integers(5, 97, length).astype(np.int32) for length in lengths]
    masks = [np.arange(length) >= length - max(2, length // 3) for length in lengths]
    return TokenizedDataset(
        np.concatenate(ids),
        np.concatenate(masks),
        np.cumsum([0, *lengths]).astype(np.int64),
        np.array([int(mask.sum()) for mask in masks]),
        DatasetCounts(kept=len(lengths), too_long=0, without_answer=0),
    )


LONG_AND_SHORT = make_records(8, 8, 8, 12, 40, 44)


def make_qwen2_moe(**changes):
    """Has a window in its masks, which its attention does not get."""
    windows = {"sliding_window": 12, "use_sliding_window": True, "max_window_layers": 2}
    return Qwen2MoeForCausalLM(Qwen2MoeConfig(**{**SIZES, **EXPERTS, **windows, **changes}))


def make_phimoe(**changes):
    return PhimoeForCausalLM(PhimoeConfig(**{**SIZES, **EXPERTS, "sliding_window": 12, **changes}))


def make_gpt_oss(sink=0.0):
    """Has attention sinks (argument s_aux)."""
    model = GptOssForCausalLM(GptOssConfig(**SIZES, **EXPERTS, head_dim=8, layer_types=["full_attention"] * 2))
    for layer in model.model.layers:
        torch.nn.init.constant_(layer.self_attn.sinks, sink)
    return model


def make_longrope():
    return LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=dict(LONGROPE)))


def build(make, **changes):
    torch.manual_seed(0)
    return make(**changes).eval()


def compute_own_gradient(model, dataset):
    loss = torch.zeros(())
    for example in dataset:
        ids = torch.from_numpy(example.ids.astype("int64"))
        logits = model(input_ids=ids[None, :-1], use_cache=False).logits[0]
        losses = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none")
        loss = loss + losses[torch.from_numpy(example.loss_mask[1:].copy())].sum()
    loss.backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


def compute_gradient_error(model, dataset):
    """Return the relative error of training's gradient, and the packing that it uses."""
    own = compute_own_gradient(copy.deepcopy(model), dataset)
    packing = patch_and_verify_loss(model, dataset, PACKED)
    for micro_batch in iter_micro_batches(dataset, packing):
        model(**micro_batch.build_inputs()).loss.backward()
    found = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
    return float((found - own).norm() / own.norm()), packing


@pytest.mark.parametrize("make", [make_qwen2_moe, make_phimoe])
def test_a_window_that_the_attention_does_not_get_is_found_by_the_longest_records(make, caplog):
    error, packing = compute_gradient_error(build(make), LONG_AND_SHORT)
    assert error < 1e-4
    assert not packing.packed
    assert "its mask has the window 12, but its attention gets the window all" in caplog.text


@pytest.mark.parametrize("window", [12, 39, 42])
def test_a_window_hidden_by_a_single_token_of_the_longest_record_is_found(window):
    """The numbers hardly differ: the masks are compared, not only the losses."""
    packing = patch_and_verify_loss(build(make_qwen2_moe, sliding_window=window), LONG_AND_SHORT, PACKED)
    assert not packing.packed


def test_records_shorter_than_the_window_are_packed():
    error, packing = compute_gradient_error(build(make_qwen2_moe, sliding_window=43), LONG_AND_SHORT)
    assert error < 1e-4
    assert packing.packed


def test_a_window_that_the_attention_gets_is_packed():
    model = build(lambda: MistralForCausalLM(MistralConfig(**SIZES, sliding_window=12)))
    error, packing = compute_gradient_error(model, LONG_AND_SHORT)
    assert error < 1e-4
    assert packing.packed


@pytest.mark.parametrize("sink", [-30.0, -8.0, 0.0, 5.0])
def test_attention_sinks_are_found_however_little_they_change(sink, caplog):
    error, packing = compute_gradient_error(build(make_gpt_oss, sink=sink), LONG_AND_SHORT)
    assert error < 1e-4
    assert not packing.packed
    assert "its attention has the arguments s_aux" in caplog.text


def test_packed_attention_refuses_an_argument_or_a_mask_that_it_does_not_know():
    states = torch.zeros(1, 2, 3, 4)
    rows = {"attention_rows": (torch.arange(3)[None],), "result_rows": torch.arange(3)}
    packed_attention(torch.nn.Module(), states, states, states, None, **rows, use_cache=False, position_bias=None)
    with pytest.raises(TypeError, match="position_bias"):
        packed_attention(torch.nn.Module(), states, states, states, None, **rows, position_bias=torch.zeros(1))
    with pytest.raises(TypeError, match="attention_mask"):
        packed_attention(torch.nn.Module(), states, states, states, torch.ones(3, 3), **rows)
    with pytest.raises(TypeError, match="is_causal"):
        packed_attention(torch.nn.Module(), states, states, states, None, **rows, is_causal=False)


def test_records_on_both_sides_of_the_rope_boundary_are_computed_one_by_one(caplog):
    error, packing = compute_gradient_error(build(make_longrope), LONG_AND_SHORT)
    assert error < 1e-4
    assert packing.single_records
    assert "its rotary positions depend on the longest record of a micro-batch" in caplog.text
    assert [len(part) for part in plan_micro_batches(LONG_AND_SHORT[:], packing)] == [1] * len(LONG_AND_SHORT)


def test_records_below_the_rope_boundary_are_packed():
    error, packing = compute_gradient_error(build(make_longrope), make_records(8, 9, 14, 21))
    assert error < 1e-4
    assert packing.packed


def test_the_rope_boundary_is_that_of_the_configuration():
    dynamic = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    assert get_rope_boundary(LlamaConfig(**SIZES, rope_parameters=dict(LONGROPE))) == 20
    assert get_rope_boundary(LlamaConfig(**SIZES, rope_parameters=dynamic)) == 128
    assert get_rope_boundary(LlamaConfig(**SIZES)) is None
    assert get_rope_boundary(GPT2Config()) is None


class _Capacity(torch.nn.Module):
    """A layer whose output depends on the number of records of a micro-batch, as a router with a capacity does."""

    def forward(self, states, *_, **__):
        return states * (1.0 if states.shape[0] == 1 and states.shape[1] < 44 else 1.1)


def test_a_layer_that_mixes_the_records_of_a_micro_batch_is_found(caplog):
    model = build(lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=8)))
    model.model.norm = _Capacity()
    error, packing = compute_gradient_error(model, LONG_AND_SHORT)
    assert error < 1e-4
    assert packing.single_records
    assert "each record is computed by itself" in caplog.text


def test_a_change_of_a_few_tokens_losses_is_found(caplog):
    """A sum over many tokens, or over the shortest records, would hide it."""
    model = build(lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=8)))
    forward = model.forward

    def own_forward(input_ids, logits_to_keep=None, **inputs):
        outputs = forward(input_ids=input_ids, **inputs)
        outputs.logits = torch.cat([outputs.logits[:, :42], outputs.logits[:, 42:] * 1.05], dim=1)
        if logits_to_keep is not None:
            outputs.logits = outputs.logits[:, logits_to_keep]
        return outputs

    model.forward = own_forward
    packing = patch_and_verify_loss(model, LONG_AND_SHORT, PACKED)
    assert not packing.packed
    assert "computed at every token" in caplog.text


def test_an_exception_of_the_fast_path_falls_back_with_its_text(caplog, monkeypatch):
    model = build(lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=8)))

    def fail(*_, **__):
        raise RuntimeError("no kernel for this shape\nsecond line")

    monkeypatch.setattr("seodang.training.loss_check.use_packed_attention", fail)
    error, packing = compute_gradient_error(model, LONG_AND_SHORT)
    assert error < 1e-4
    assert not packing.packed
    assert "records cannot be packed in this model: RuntimeError: no kernel for this shape; rows are" in caplog.text


def test_a_base_that_cannot_compute_its_own_loss_is_refused_before_training():
    model = build(lambda: GPT2LMHeadModel(GPT2Config(vocab_size=97, n_positions=32, n_embd=32, n_layer=1, n_head=2)))
    with pytest.raises(ModelError, match="the forward pass of the architecture gpt2 fails on a record"):
        patch_and_verify_loss(model, LONG_AND_SHORT, PACKED)
