"""The loss of training equals the model's own loss, for any processing of states, logits and attention."""

import pytest
import torch
from transformers import (
    GptOssConfig,
    GptOssForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    HyperCLOVAXConfig,
    HyperCLOVAXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    ModernBertDecoderConfig,
    ModernBertDecoderForCausalLM,
)

from seodang.errors import ModelError
from seodang.training.loss_check import patch_and_verify_loss
from seodang.training.packing import PackingConfig, build_micro_batch

SHARED = PackingConfig(
    tokens_per_micro_batch=512, packed=True, share_prefixes=True, pad_token_id=0, pad_to_multiple_of=32
)
SIZES = {
    "vocab_size": 500,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
}
GROUPED = {**SIZES, "num_key_value_heads": 2, "head_dim": 8}
EXPERTS = {**GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2}
FAMILIES = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**GROUPED)),
    "granite": lambda: GraniteForCausalLM(GraniteConfig(**{**SIZES, "num_key_value_heads": 2}, logits_scaling=4.0)),
    "hyperclovax": lambda: HyperCLOVAXForCausalLM(HyperCLOVAXConfig(**GROUPED, logits_scaling=0.5)),
    "mixtral": lambda: MixtralForCausalLM(MixtralConfig(**EXPERTS)),
    "gpt_oss": lambda: GptOssForCausalLM(
        GptOssConfig(**EXPERTS, layer_types=["sliding_attention", "full_attention"], sliding_window=4)
    ),
    "modernbert_decoder": lambda: ModernBertDecoderForCausalLM(
        ModernBertDecoderConfig(
            **SIZES,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
            cls_token_id=2,
            sep_token_id=1,
            layer_types=["full_attention"] * 2,
        )
    ),
}


def make_model(name):
    torch.manual_seed(3)
    model = FAMILIES[name]().eval()
    for module in model.modules():
        if hasattr(module, "sinks"):
            torch.nn.init.normal_(module.sinks, std=2.0)
    return model


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, build_dataset, make_tiny_model):
    folder = tmp_path_factory.mktemp("dataset")
    return build_dataset(make_tiny_model(folder / "base"), folder / "dataset", 6)


def compute_own_loss(model, dataset):
    total = 0.0
    for example in dataset:
        loss_mask = torch.tensor(example.loss_mask[1:])
        ids = torch.from_numpy(example.ids.astype("int64"))[None]
        losses = torch.nn.functional.cross_entropy(
            model(input_ids=ids).logits[0, :-1].float(), ids[0, 1:], reduction="none"
        )
        total += float(losses[loss_mask].sum())
    return total


@pytest.mark.parametrize("name", FAMILIES)
def test_the_loss_of_each_family_is_its_own(name, dataset):
    model = make_model(name)
    with torch.no_grad():
        expected = compute_own_loss(model, dataset)
        packing = patch_and_verify_loss(model, dataset, SHARED)
        found = float(model(**build_micro_batch(dataset[:], packing).build_inputs()).loss)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "packed", "words"),
    [
        ("llama", True, ""),
        ("mixtral", True, ""),
        ("hyperclovax", True, ""),
        ("gpt_oss", False, "rows are padded"),
        ("modernbert_decoder", True, "computed at every token"),
    ],
)
def test_a_family_without_packing_or_the_fast_loss_gets_a_warning(name, packed, words, dataset, caplog):
    packing = patch_and_verify_loss(make_model(name), dataset, SHARED)
    assert packing.packed is packed
    assert bool(caplog.text) is bool(words)
    assert words in caplog.text


def test_gradients_flow_where_all_logits_are_computed(dataset):
    model = make_model("modernbert_decoder")
    packing = patch_and_verify_loss(model, dataset, SHARED)
    model(**build_micro_batch(dataset[:], packing).build_inputs()).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)


def test_a_loss_that_is_never_the_model_s_own_is_an_error(dataset):
    model = make_model("llama")
    original = model.forward

    def changing(*arguments, **inputs):
        outputs = original(*arguments, **inputs)
        outputs.logits = outputs.logits + torch.randn_like(outputs.logits)
        return outputs

    model.forward = changing
    with pytest.raises(ModelError, match=r"does not compute the own loss of the architecture llama on 5 records"):
        patch_and_verify_loss(model, dataset, SHARED)
