"""Loading checkpoints: completely and in the named precision, or an error. Run: pytest tests/models/test_loading.py"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BloomConfig, MambaConfig, MptConfig, Qwen3Config, RobertaConfig, WhisperConfig, XLNetConfig

from seodang.errors import ModelError
from seodang.inference.generation import generate
from seodang.models.loading import check_max_length, get_context_length, load_model, load_tokenizer
from seodang.models.tokenization import get_end_id, get_pad_id


@pytest.fixture
def folder(tmp_path: Path, make_tiny_model) -> Path:
    return make_tiny_model(tmp_path / "model")


def drop_pad_token(folder: Path) -> None:
    for name in ("tokenizer_config.json", "config.json", "generation_config.json"):
        content = json.loads((folder / name).read_text("utf-8"))
        content.pop("pad_token", None)
        content.pop("pad_token_id", None)
        (folder / name).write_text(json.dumps(content), "utf-8")


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_weights_have_the_named_precision_and_the_model_is_in_evaluation_mode(folder, precision, dtype):
    model = load_model(folder, precision, "cpu")
    assert {weight.dtype for weight in model.parameters()} == {dtype}
    assert not model.training


def test_a_weight_that_is_missing_is_an_error_and_not_a_random_one(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ModelError, match=r"lacks 1 of the weights .*\(model\.layers\.1\.mlp\.up_proj\.weight\); they would be random"
    ):
        load_model(folder, "fp32", "cpu")


def test_weights_of_another_shape_are_an_error(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"model\.norm\.weight|the model in .* cannot be read"):
        load_model(folder, "fp32", "cpu")


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"has no model\.safetensors.*found: no files"):
        load_model(tmp_path, "fp32", "cpu")
    with pytest.raises(ModelError, match="has no tokenizer"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_without_a_pad_token_fills_up_with_an_id_that_is_masked(folder):
    tokenizer = load_tokenizer(folder)
    model = load_model(folder, "fp32", "cpu")
    prompts = [tokenizer(text)["input_ids"] for text in ("이 영화는", "The film was far too long")]
    assert len(prompts[0]) != len(prompts[1])
    padded = generate(model, prompts, end_id=get_end_id(tokenizer, "koalpaca"), max_new_tokens=6, batch_tokens=4096)
    drop_pad_token(folder)
    tokenizer, model = load_tokenizer(folder), load_model(folder, "fp32", "cpu")
    assert tokenizer.pad_token_id is None
    assert get_pad_id(tokenizer) == 0
    assert [
        answer.tokens
        for answer in generate(
            model, prompts, end_id=get_end_id(tokenizer, "koalpaca"), max_new_tokens=6, batch_tokens=4096
        )
    ] == [answer.tokens for answer in padded]


def test_a_tokenizer_without_an_end_is_refused_where_an_answer_has_to_end(folder):
    file = folder / "tokenizer_config.json"
    file.write_text(
        json.dumps({key: value for key, value in json.loads(file.read_text("utf-8")).items() if key != "eos_token"}),
        "utf-8",
    )
    with pytest.raises(ModelError, match=r"has no end token; set eos_token in its tokenizer_config\.json"):
        get_end_id(load_tokenizer(folder), "koalpaca")


def test_a_length_beyond_the_context_is_refused_with_both(folder):
    config = load_model(folder, "fp32", "cpu").config
    check_max_length(config, 128)
    with pytest.raises(
        ModelError, match=r"train\.max_length is 129 tokens, but the model reads at most 128; set it to 128 or less"
    ):
        check_max_length(config, 129)


def test_the_context_length_of_a_model_is_known_and_some_models_have_no_limit():
    assert get_context_length(Qwen3Config(max_position_embeddings=77)) == 77
    assert get_context_length(MptConfig(max_seq_len=55)) == 55  # its ALiBi biases end there
    assert get_context_length(WhisperConfig(max_target_positions=44)) == 44
    # The first position of RoBERTa is pad_token_id + 1, so 514 positions hold 512 tokens.
    assert get_context_length(RobertaConfig(max_position_embeddings=514, pad_token_id=1)) == 512
    for unlimited in (BloomConfig(), MambaConfig(), XLNetConfig()):
        assert get_context_length(unlimited) is None
        check_max_length(unlimited, 10**6)


def test_messages_follow_the_language_of_the_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(ModelError, match="토크나이저가 없습니다"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"repetition_penalty": 1.8},
        {"no_repeat_ngram_size": 1},
        {"min_new_tokens": 9},
        {"suppress_tokens": [1, 5, 6]},
        {"bad_words_ids": [[1]]},
        {"forced_eos_token_id": 3},
        {"do_sample": True, "temperature": 5.0, "top_k": 0},
        {"sequence_bias": [[[5], 100.0]]},
        {"num_beams": 3},
    ],
)
def test_generation_settings_of_a_checkpoint_change_no_answer(folder, settings):
    prompts = [[5, 6, 7], [8, 9]]

    def answer() -> list[list[int]]:
        model = load_model(folder, "fp32", "cpu")
        return [each.tokens for each in generate(model, prompts, end_id=1, max_new_tokens=8, batch_tokens=64)]

    expected = answer()
    (folder / "generation_config.json").write_text(json.dumps(settings), "utf-8")
    assert answer() == expected
