"""Packed weights compute what the layers compute, and give a row the same bits beside any others."""

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import BloomConfig, BloomForCausalLM, LlamaConfig, LlamaForCausalLM

from seodang.models.kernels import packed_linear
from seodang.models.kernels.norms import use_fused_norms
from seodang.models.kernels.packed_linear import PackedLinears, can_pack

IDS = torch.arange(5, 65).reshape(3, 20)
TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 3e-2}
NEEDS_BF16 = pytest.mark.skipif(not can_pack(torch.bfloat16), reason="this CPU takes no packed bf16 weights")
DTYPES = [torch.float32, pytest.param(torch.bfloat16, marks=NEEDS_BF16)]


def make_llama(dtype=torch.float32, **changes):
    torch.manual_seed(1446)
    config = LlamaConfig(
        vocab_size=100,
        hidden_size=64,
        intermediate_size=176,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        **changes,
    )
    return LlamaForCausalLM(config).to(dtype).eval()


def make_adapted():
    model = get_peft_model(make_llama(), LoraConfig(r=4, target_modules=["q_proj", "up_proj"], init_lora_weights=False))
    return model.eval()


MAKERS = {
    "fp32": make_llama,
    "bf16": lambda: make_llama(torch.bfloat16),
    "biases": lambda: make_llama(attention_bias=True, mlp_bias=True),
    "one matrix for both ends": lambda: make_llama(tie_word_embeddings=True),
    "an adapter": make_adapted,
    "layers of other names": lambda: BloomForCausalLM(BloomConfig(vocab_size=100, hidden_size=64, n_layer=2, n_head=4)),
}


def count_packed(model):
    return sum("forward" in module.__dict__ for module in model.modules())


@torch.inference_mode()
def compute(model, ids=IDS):
    return model(input_ids=ids).logits.float()


@pytest.mark.parametrize("name", [pytest.param(name, marks=NEEDS_BF16 if name == "bf16" else ()) for name in MAKERS])
def test_a_model_computes_the_same_with_packed_weights_and_bit_for_bit_after_them(name):
    model = MAKERS[name]()
    usual = compute(model)

    packed = PackedLinears.pack(model)

    assert packed.is_complete
    assert count_packed(model) == sum(isinstance(module, nn.Linear) for module in model.modules())
    assert compute(model) == pytest.approx(usual, abs=TOLERANCES[model.dtype] * float(usual.abs().max()))
    packed.restore()
    assert count_packed(model) == 0
    assert torch.equal(compute(model), usual)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(64, 48), (192, 6144), (2048, 640)])
def test_a_row_has_the_same_bits_in_a_product_of_any_number_of_rows(dtype, shape):
    torch.manual_seed(1446)
    layer = nn.Linear(*shape, bias=False, dtype=dtype)
    rows = torch.randn(70, shape[0]).to(dtype)
    assert PackedLinears.pack(layer).is_complete

    with torch.inference_mode():
        together = layer(rows)
        assert [count for count in range(2, 70) if not torch.equal(layer(rows[:count]), together[:count])] == []


def test_on_a_cpu_without_bf16_instructions_a_bf16_model_keeps_its_layers(monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    model = make_llama(torch.bfloat16)
    usual = compute(model)

    packed = PackedLinears.pack(model)

    assert not packed.is_complete
    assert count_packed(model) == 0
    packed.prepare(16)
    assert torch.equal(compute(model), usual)
    assert PackedLinears.pack(make_llama()).is_complete  # fp32 needs no such instructions


def test_gradients_are_those_of_the_layers():
    model, packed_model = make_llama(), make_llama()
    PackedLinears.pack(packed_model)

    for each in (model, packed_model):
        each(input_ids=IDS, labels=IDS).loss.backward()

    assert torch.equal(
        packed_model.model.layers[0].self_attn.q_proj.weight.grad, model.model.layers[0].self_attn.q_proj.weight.grad
    )


def test_layers_with_the_same_input_take_their_parts_in_any_order_and_of_other_inputs():
    attention = make_llama().model.layers[0].self_attn
    first, second = torch.randn(2, 3, 64)
    usual = [attention.k_proj(first), attention.q_proj(first), attention.q_proj(second), attention.v_proj(first)]
    PackedLinears.pack(attention)

    with torch.inference_mode():
        parts = [attention.k_proj(first), attention.q_proj(first), attention.q_proj(second), attention.v_proj(first)]

    assert all(part == pytest.approx(other.detach(), abs=1e-5) for part, other in zip(parts, usual, strict=True))


def test_a_copied_model_computes_the_same_and_apart():
    model = make_llama()
    PackedLinears.pack(model)
    usual = compute(model)

    copied = copy.deepcopy(model)

    assert torch.equal(compute(copied), usual)
    first, second = (each.model.layers[0].self_attn for each in (model, copied))
    values = torch.randn(2, 3, 64)
    with torch.inference_mode():
        first.q_proj(values)
        assert second.k_proj.forward.func.__self__ is not first.k_proj.forward.func.__self__
        assert torch.equal(second.v_proj(values), first.v_proj(values))


class Product(nn.Module):
    """A layer with a matrix of its own."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.matrix = nn.Parameter(torch.randn(8, 8))


def test_a_model_with_other_matrices_is_not_complete():
    model = Product()

    assert not PackedLinears.pack(model).is_complete
    assert count_packed(model) == 1


class Quantized(nn.Linear):
    """A layer that computes in another way, as those of quantization libraries do."""


@pytest.mark.parametrize(
    "model",
    [nn.Sequential(nn.Linear(8, 8), Quantized(8, 8)), nn.Linear(8, 8, dtype=torch.float64), nn.Embedding(8, 8)],
    ids=["another class", "another dtype", "no linear layer"],
)
def test_what_cannot_be_packed_stays_as_it_is(model):
    assert not PackedLinears.pack(model).is_complete
    assert count_packed(model) == 0


@pytest.mark.parametrize("fault", ["too large", "other bits", "other values", "no such product"])
def test_nothing_is_packed_where_the_cpu_or_the_memory_does_not_fit(fault, monkeypatch):
    multiply = packed_linear._Product._multiply
    if fault == "too large":
        monkeypatch.setattr(packed_linear, "_MAX_BYTES", 100)
    elif fault == "other bits":
        monkeypatch.setattr(packed_linear._Product, "_multiply", lambda self, x: multiply(self, x) + 1e-6 * len(x))
    elif fault == "other values":
        monkeypatch.setattr(packed_linear._Product, "_multiply", lambda self, x: multiply(self, x) * 1.01)
    else:
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    model = make_llama()

    assert not PackedLinears.pack(model).is_complete
    assert count_packed(model) == 0


def test_norms_in_one_call_compute_the_same():
    model = make_llama()
    usual = compute(model)

    with use_fused_norms(model):
        assert count_packed(model) == 5
        fused = compute(model)

    assert count_packed(model) == 0
    assert fused == pytest.approx(usual, abs=1e-5)


def test_norms_of_bf16_are_left_to_the_model_which_rounds_earlier():
    model = make_llama(torch.bfloat16)

    with use_fused_norms(model):
        assert count_packed(model) == 0
