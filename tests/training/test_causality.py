"""A model that sees later tokens is refused before training. Run: pytest tests/training/test_causality.py"""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertLMHeadModel,
    CpmAntConfig,
    CpmAntForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    ProphetNetConfig,
    ProphetNetForCausalLM,
    RoCBertConfig,
    RoCBertForCausalLM,
    XLMConfig,
    XLMWithLMHeadModel,
    XLNetConfig,
    XLNetLMHeadModel,
)

from seodang.errors import ModelError
from seodang.models.architecture import CAUSAL_DECODERS, NEVER_CAUSAL
from seodang.models.compatibility import check_checkpoint
from seodang.training.causality import check_causality
from seodang.training.kernels.lora import fuse_lora

IDS = torch.randint(5, 97, (30,), generator=torch.Generator().manual_seed(0))
SIZES: dict[str, Any] = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
BERT = {**SIZES, "intermediate_size": 48, "max_position_embeddings": 64}


def create_llama(**settings: Any) -> LlamaForCausalLM:
    return LlamaForCausalLM(LlamaConfig(**BERT, num_key_value_heads=2, **settings))


NOT_CAUSAL = {
    "cpmant": lambda: CpmAntForCausalLM(
        CpmAntConfig(vocab_size=97, hidden_size=32, num_attention_heads=4, dim_head=8, dim_ff=48, num_hidden_layers=2)
    ),
    "prophetnet": lambda: ProphetNetForCausalLM(
        ProphetNetConfig(
            vocab_size=97, hidden_size=32, num_decoder_layers=2, num_decoder_attention_heads=4, init_std=0.2
        )
    ),
    "xlm": lambda: XLMWithLMHeadModel(XLMConfig(vocab_size=97, emb_dim=32, n_layers=2, n_heads=4, init_std=0.2)),
    "xlnet": lambda: XLNetLMHeadModel(XLNetConfig(vocab_size=97, d_model=32, n_layer=2, n_head=4, d_inner=48)),
    "bert": lambda: BertLMHeadModel(BertConfig(**BERT)),
}
CAUSAL = {
    "bert": lambda: BertLMHeadModel(BertConfig(**BERT, is_decoder=True)),
    "llama": create_llama,
    "llama with dynamic rope": lambda: create_llama(
        rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}
    ),
}


def build(create: Any) -> Any:
    torch.manual_seed(1)
    return create().eval()


@pytest.mark.parametrize("name", NOT_CAUSAL)
def test_a_model_whose_predictions_depend_on_later_tokens_is_refused(name):
    with pytest.raises(ModelError, match=f"the architecture {name} is not causal: later tokens change"):
        check_causality(build(NOT_CAUSAL[name]), IDS)


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("length", [1, 2, 3, 30])
def test_a_causal_model_is_accepted(name, dtype, length):
    check_causality(build(CAUSAL[name]).to(dtype), IDS[:length])


def test_a_prompt_that_sees_itself_is_found():
    """As in a prefix language model: only the first half sees its own later tokens."""
    model = build(create_llama)
    forward = model.forward

    def see_prompt(input_ids, **inputs):
        outputs = forward(input_ids=input_ids, **inputs)
        outputs.logits = outputs.logits + 0.1 * input_ids[:, : input_ids.shape[1] * 3 // 4].float().mean()
        return outputs

    model.forward = see_prompt
    with pytest.raises(ModelError, match="the architecture llama is not causal"):
        check_causality(model, IDS)


def test_a_record_of_one_repeated_token_is_no_error():
    check_causality(build(create_llama), torch.full((12,), 7))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"model_type": "xlnet", "architectures": ["XLNetLMHeadModel"]},
            "of the architecture xlnet, which is not causal",
        ),
        (
            {"model_type": "bert", "architectures": ["BertLMHeadModel"]},
            "of the architecture bert, which is causal only with is_decoder: true in its config.json",
        ),
    ],
)
def test_stage_base_refuses_what_the_settings_tell(tmp_path, make_tiny_model, settings, message):
    folder = make_tiny_model(tmp_path / "model")
    (folder / "config.json").write_text(json.dumps(settings), "utf-8")
    with pytest.raises(ModelError, match=f"model.path x is {message}"):
        check_checkpoint(folder, "model.path x")


def test_the_known_types_are_those_that_the_check_finds():
    assert set(NOT_CAUSAL) - {"bert"} == NEVER_CAUSAL
    assert "bert" in CAUSAL_DECODERS


def test_a_fused_layer_may_be_changed_in_place():
    """RoCBert adds to the output of a linear layer in place."""
    from peft import LoraConfig, get_peft_model

    config = RoCBertConfig(**BERT, is_decoder=True, pronunciation_vocab_size=97, shape_vocab_size=97)
    model = get_peft_model(RoCBertForCausalLM(config), LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM"))
    assert fuse_lora(model) > 0
    model(input_ids=IDS[None], use_cache=False).logits.sum().backward()
    gradients = [
        weight.grad for name, weight in model.named_parameters() if "lora_B" in name and weight.grad is not None
    ]
    assert any(bool(gradient.any()) for gradient in gradients)
