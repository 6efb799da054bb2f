"""One model is in memory at a time, and computes with packed weights."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from seodang.models.slot import ModelSlot

IDS = torch.arange(5, 45).reshape(2, 20)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("slot")
    torch.manual_seed(1446)
    config = LlamaConfig(
        vocab_size=100, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(root / "base")
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "up_proj"], init_lora_weights=False))
    adapted.save_pretrained(root / "adapter")
    return root


@torch.inference_mode()
def compute(model):
    return model(input_ids=IDS).logits


def is_packed(model):
    linears = [module for module in model.modules() if type(module) is torch.nn.Linear]
    return all("forward" in layer.__dict__ for layer in linears)


def test_an_adapter_on_a_loaded_base_computes_as_one_that_is_loaded_with_it(folders):
    slot = ModelSlot("fp32", "cpu")
    base = slot.load(folders / "base")
    base_logits = compute(base)
    assert is_packed(base)

    tuned = slot.load(folders / "base", folders / "adapter")

    assert is_packed(tuned)
    expected = compute(ModelSlot("fp32", "cpu").load(folders / "base", folders / "adapter"))
    assert compute(tuned) == pytest.approx(expected, abs=1e-6)
    assert compute(tuned) != pytest.approx(base_logits, abs=1e-3)


def test_the_same_model_is_not_loaded_again(folders):
    slot = ModelSlot("fp32", "cpu")

    assert slot.load(folders / "base") is slot.load(folders / "base")
