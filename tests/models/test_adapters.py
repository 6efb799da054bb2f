"""Training methods: their weights, their bases and their errors. Run: pytest tests/models/test_adapters.py"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from seodang.config import TrainParams
from seodang.config.load import merge_overlay, parse_params
from seodang.config.profiles import read_starter
from seodang.errors import ArtifactError, ModelError, ParamsError
from seodang.models import methods
from seodang.models.adapters import (
    add_adapter,
    average_with_base,
    compute_tuned_sha256,
    copy_base_weights,
    is_full_model,
    load_adapter,
    save_tuned_model,
)
from seodang.models.loading import load_model, load_tokenizer
from seodang.packaging.merge import merge
from seodang.packaging.model_folder import load_inference_model
from seodang.packaging.parity import check_parity

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("lora", "rslora", "dora", "qlora", "full")
LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def build_params(method: str, **changes: Any) -> TrainParams:
    raw = merge_overlay(
        read_starter(),
        {"train": {"method": method, "rank": 4, "alpha": 8, "target_modules": ["all-linear"], **changes}},
    )
    return parse_params(raw, "test").train


def create_untrained(base: Path, method: str, precision: str = "fp32", **changes: Any) -> Any:
    torch.manual_seed(3)
    return add_adapter(
        load_model(base, precision, "cpu", load_in_4bit=method == "qlora"),
        build_params(method, precision=precision, **changes),
    )


def train_steps(model: Any, steps: int = 8) -> list[float]:
    """Return the loss of each step on one batch."""
    ids = torch.tensor([[5, 9, 17, 33, 65, 129], [7, 11, 19, 35, 67, 131]])
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=0.01)
    model.train()
    losses = []
    for _ in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=model.config.dtype == torch.bfloat16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    model.eval()
    return losses


def list_trained_weights(model: Any) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", METHODS)
def test_each_method_learns_and_keeps_its_weights_in_fp32(tiny_model, method, precision):
    model = create_untrained(tiny_model, method, precision)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    assert trained
    assert {weight.dtype for weight in trained} == {torch.float32}
    losses = train_steps(model)
    assert all(map(math.isfinite, losses))
    assert losses[-1] < losses[0] - 0.3


@pytest.mark.parametrize("method", METHODS)
def test_an_untrained_model_answers_as_its_base(tiny_model, method):
    ids = torch.tensor([[5, 9, 17]])
    with torch.no_grad():
        before = load_model(tiny_model, "fp32", "cpu", load_in_4bit=method == "qlora")(input_ids=ids).logits
        torch.testing.assert_close(
            create_untrained(tiny_model, method)(input_ids=ids).logits, before, atol=1e-5, rtol=1e-4
        )


def test_the_scale_of_rslora_is_alpha_over_the_root_of_the_rank(tiny_model):
    scales = {
        method: create_untrained(tiny_model, method).base_model.model.model.layers[0].mlp.up_proj.scaling["default"]
        for method in ("lora", "rslora")
    }
    assert scales == {"lora": 2.0, "rslora": 4.0}


def test_dora_also_learns_the_length_of_each_column(tiny_model):
    assert any("lora_magnitude_vector" in name for name in list_trained_weights(create_untrained(tiny_model, "dora")))
    assert not any(
        "lora_magnitude_vector" in name for name in list_trained_weights(create_untrained(tiny_model, "lora"))
    )


def test_full_learns_every_weight_and_the_embeddings_stay_tied(tiny_model):
    model = create_untrained(tiny_model, "full", "bf16")
    assert list_trained_weights(model) == {name for name, _ in model.named_parameters()}
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert not isinstance(model, PeftModel)


def test_the_base_of_qlora_lies_in_nf4_with_double_quantization_and_the_embeddings_do_not(tiny_model):
    model = create_untrained(tiny_model, "qlora").base_model.model
    weight = model.model.layers[0].mlp.up_proj.base_layer.weight
    assert (weight.dtype, weight.quant_state.quant_type, weight.quant_state.nested) == (torch.uint8, "nf4", True)
    assert weight.numel() * 2 == 32 * 64  # two weights a byte
    assert model.model.embed_tokens.weight.dtype == torch.float32
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_the_arithmetic_over_four_bits_has_the_precision_of_training(tiny_model):
    for precision, wanted in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        assert (
            load_model(tiny_model, precision, "cpu", load_in_4bit=True).model.layers[0].mlp.up_proj.compute_dtype
            == wanted
        )


@pytest.mark.parametrize("method", ["lora", "qlora"])
@pytest.mark.parametrize("target_modules", [["query_key_value"], ["q_proj", "v_poj"]])
def test_a_target_module_that_matches_no_layer_is_an_error_that_names_the_layers(tiny_model, method, target_modules):
    with pytest.raises(ModelError) as caught:
        create_untrained(tiny_model, method, target_modules=target_modules)
    assert f"{target_modules[-1:]} match no layer" in str(caught.value)
    assert all(name in str(caught.value) for name in LINEAR)


def test_a_rank_of_nothing_is_refused_before_anything_runs():
    with pytest.raises(ParamsError, match=r"train\.rank: must be greater than 0 \(got 0\)"):
        build_params("lora", rank=0)


def test_a_base_in_the_wrong_precision_is_refused(tiny_model):
    with pytest.raises(ModelError, match="qlora needs a base in 4 bits"):
        add_adapter(load_model(tiny_model, "fp32", "cpu"), build_params("qlora"))
    with pytest.raises(ModelError, match="lora needs a base that is not quantized"):
        add_adapter(load_model(tiny_model, "fp32", "cpu", load_in_4bit=True), build_params("lora"))


def test_without_bitsandbytes_qlora_says_what_to_install(tiny_model, monkeypatch):
    monkeypatch.setattr(methods.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs bitsandbytes.*make qlora"):
        load_model(tiny_model, "fp32", "cpu", load_in_4bit=True)


@pytest.mark.parametrize("method", METHODS)
def test_a_tuned_model_is_saved_and_merged_onto_the_exact_base_and_answers_the_same(tiny_model, method, tmp_path):
    model = create_untrained(tiny_model, method)
    train_steps(model, steps=4)
    trained = tmp_path / "adapter"
    trained.mkdir()
    save_tuned_model(model, trained, tiny_model)
    assert is_full_model(trained) == (method == "full")
    assert len(compute_tuned_sha256(trained)) == 64
    merge(tiny_model, trained, tmp_path / "merged")
    tokenizer = load_tokenizer(tiny_model)
    report = check_parity(
        tiny_model,
        trained,
        tmp_path / "merged",
        [tokenizer(text)["input_ids"] for text in ("이 영화는", "The film was")],
        8,
        int(tokenizer.eos_token_id),
    )
    assert report.tokens > 0
    assert report.max_logit_difference < 1e-4
    ids = torch.tensor([[5, 9, 17]])
    merged = load_inference_model(tmp_path / "merged", "cpu")
    with torch.no_grad():
        change = (
            (merged(input_ids=ids).logits - load_inference_model(tiny_model, "cpu")(input_ids=ids).logits).abs().max()
        )
        apart = (merged(input_ids=ids).logits - model(input_ids=ids).logits).abs().max()
    assert change > 0.1
    assert apart < (0.5 * change if method == "qlora" else 1e-3)  # qlora was trained over rounded weights
    assert merged.lm_head.weight is merged.model.embed_tokens.weight


def list_files_with(text: str, folder: Path) -> list[str]:
    """Return the names of the files below a folder that hold a text."""
    return [file.name for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_tuned_model_is_loaded_again_as_it_was(tiny_model, method, tmp_path):
    model = create_untrained(tiny_model, method)
    train_steps(model, steps=2)
    save_tuned_model(model, tmp_path, tiny_model)
    assert list_files_with(str(tiny_model), tmp_path) == []  # equal in every clone, and published
    ids = torch.tensor([[5, 9, 17]])
    again = (
        load_model(tmp_path, "fp32", "cpu")
        if method == "full"
        else load_adapter(load_model(tiny_model, "fp32", "cpu"), tmp_path)
    )
    with torch.no_grad():
        torch.testing.assert_close(again(input_ids=ids).logits, model(input_ids=ids).logits)


@pytest.mark.parametrize("target", ["embed_tokens", "lm_head"])
def test_an_adapter_on_tied_embeddings_is_refused_since_a_merge_would_add_it_twice(tiny_model, target):
    with pytest.raises(ModelError, match=rf"{target}.*share one matrix"):
        create_untrained(tiny_model, "lora", target_modules=["q_proj", target])


def test_a_validation_in_between_does_not_keep_qlora_from_learning(tiny_model):
    model = create_untrained(tiny_model, "qlora")
    ids = torch.tensor([[5, 9, 17]])
    model.eval()
    with torch.no_grad():
        before = model(input_ids=ids).logits
        torch.testing.assert_close(model.train()(input_ids=ids).logits, before)
    train_steps(model, steps=1)
    early = {name: weight.clone() for name, weight in model.named_parameters() if "lora_B" in name}
    train_steps(model, steps=1)
    assert all((weight != early[name]).any() for name, weight in model.named_parameters() if "lora_B" in name)


def test_an_adapter_of_another_model_is_refused(tiny_model, tmp_path):
    model = create_untrained(tiny_model, "lora", target_modules=["up_proj"])
    save_tuned_model(model, tmp_path / "adapter", tiny_model)
    other = load_model(tiny_model, "fp32", "cpu")
    for layer in other.model.layers:
        layer.mlp.up_proj = torch.nn.Linear(32, 48)
    with pytest.raises(ModelError, match="does not fit the base"):
        load_adapter(other, tmp_path / "adapter")


def test_a_folder_without_anything_trained_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="dvc repro --force train"):
        compute_tuned_sha256(tmp_path)


@pytest.mark.parametrize("method", ["lora", "rslora", "full"])
def test_the_average_with_the_base_lies_between_base_and_tuned_weights(tiny_model, method):
    def get_weight(model):
        return next(module for name, module in model.named_modules() if name.endswith("q_proj")).weight.detach().clone()

    base = get_weight(load_model(tiny_model, "fp32", "cpu"))
    merged = []
    for base_weight in (0.0, 0.25):
        model = create_untrained(tiny_model, method)
        initial = copy_base_weights(model, base_weight)
        train_steps(model)
        average_with_base(model, initial, base_weight)
        merged.append(get_weight(model if method == "full" else model.merge_and_unload()))
    assert not torch.allclose(merged[0], base)
    torch.testing.assert_close(merged[1], 0.25 * base + 0.75 * merged[0])


def test_an_average_of_dora_has_magnitudes_between_those_of_base_and_tuned_model(tiny_model):
    model = create_untrained(tiny_model, "dora")
    initial = copy_base_weights(model, 0.5)
    train_steps(model)
    tuned = {name: weight.detach().clone() for name, weight in model.named_parameters() if name in initial}
    average_with_base(model, initial, 0.5)
    assert tuned
    for name, weight in model.named_parameters():
        if name in initial:
            torch.testing.assert_close(weight, 0.5 * initial[name] + 0.5 * tuned[name])


@pytest.mark.parametrize("method", ["dora", "full"])
def test_sharded_weights_of_the_base_are_not_averaged(method):
    with pytest.raises(ParamsError, match="base_weight"):
        build_params(method, base_weight=0.2, sharding="fsdp", processes=2)
