"""Merging and the parity check. Run: pytest tests/packaging/test_merge.py"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from seodang.errors import ArtifactError, ParityError
from seodang.models.loading import load_tokenizer
from seodang.packaging.merge import merge
from seodang.packaging.model_folder import load_inference_model
from seodang.packaging.parity import check_parity

TOKENS = 12


@pytest.fixture(scope="module")
def adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, make_tiny_adapter) -> Path:
    return make_tiny_adapter(tiny_model, tmp_path_factory.mktemp("adapter") / "adapter")


@pytest.fixture
def merged(tiny_model: Path, adapter: Path, tmp_path: Path) -> Path:
    merge(tiny_model, adapter, tmp_path / "merged")
    return tmp_path / "merged"


@pytest.fixture(scope="module")
def prompts(tiny_model: Path) -> list[list[int]]:
    tokenizer = load_tokenizer(tiny_model)
    return [tokenizer(text)["input_ids"] for text in ("이 영화는", "The film was", "12")]


def get_end_token(folder: Path) -> int:
    return int(load_tokenizer(folder).eos_token_id)


def test_the_merged_model_answers_as_base_and_adapter_do(tiny_model, adapter, merged, prompts):
    report = check_parity(tiny_model, adapter, merged, prompts, TOKENS, get_end_token(tiny_model))
    assert report.prompts == 3
    assert 3 <= report.tokens <= 3 * TOKENS
    assert report.max_logit_difference < 1e-4


def test_merging_changes_the_weights_and_keeps_embeddings_tied(tiny_model, merged):
    assert (
        load_file(tiny_model / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]
        != load_file(merged / "model.safetensors")["model.layers.0.mlp.up_proj.weight"]
    ).any()
    with safe_open(merged / "model.safetensors", "pt") as file:
        assert "lm_head.weight" not in list(file.keys())
    model = load_inference_model(merged, "cpu")
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_the_merged_folder_is_complete_and_the_only_output(merged):
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= {
        file.name for file in merged.iterdir()
    }
    assert [path.name for path in merged.parent.iterdir()] == ["merged"]


def test_changed_weights_are_an_error_with_the_prompt_and_both_answers(tiny_model, adapter, merged, prompts):
    weights = load_file(merged / "model.safetensors")
    weights["model.layers.1.mlp.down_proj.weight"] *= -3
    save_file(weights, merged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ParityError, match=r"(?s)prompt 1 of 3: the merged model in .*이 영화는.*base \+ adapter:.*merged:"
    ):
        check_parity(tiny_model, adapter, merged, prompts, TOKENS, get_end_token(tiny_model))


def test_a_change_too_small_to_change_a_token_is_an_error(tiny_model, adapter, merged, prompts):
    weights = load_file(merged / "model.safetensors")
    weights["model.norm.weight"] *= 1.02  # scales all logits alike: the greedy tokens stay
    save_file(weights, merged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ParityError, match=r"logits differ by 0\.\d+, allowed are 0\.0"):
        check_parity(tiny_model, adapter, merged, prompts, TOKENS, get_end_token(tiny_model))


@pytest.mark.parametrize("strength", [0.97, 1.03, 0.0])
def test_an_adapter_at_another_strength_is_an_error_even_if_the_tokens_stay(
    tiny_model, adapter, prompts, tmp_path, strength
):
    scaled = shutil.copytree(adapter, tmp_path / "scaled")
    weights = load_file(scaled / "adapter_model.safetensors")
    weights = {name: weight * strength if "lora_B" in name else weight for name, weight in weights.items()}
    save_file(weights, scaled / "adapter_model.safetensors")
    merge(tiny_model, scaled, tmp_path / "merged")
    with pytest.raises(ParityError, match=r"the merged model in .* differs"):
        check_parity(tiny_model, adapter, tmp_path / "merged", prompts, 1, get_end_token(tiny_model))


def test_an_adapter_that_moves_little_is_compared_as_strictly(tiny_model, adapter, prompts, tmp_path):
    weak = shutil.copytree(adapter, tmp_path / "weak")
    weights = load_file(weak / "adapter_model.safetensors")
    save_file({name: weight * 0.02 for name, weight in weights.items()}, weak / "adapter_model.safetensors")
    merge(tiny_model, weak, tmp_path / "merged")
    report = check_parity(tiny_model, weak, tmp_path / "merged", prompts, 1, get_end_token(tiny_model))
    assert report.max_logit_difference < 0.01 * report.max_adapter_movement
    with pytest.raises(ParityError, match=r"the merged model in .* differs"):
        check_parity(tiny_model, weak, tiny_model, prompts, 1, get_end_token(tiny_model))


def test_an_adapter_of_another_run_is_an_error(tiny_model, merged, prompts, tmp_path, make_tiny_adapter):
    other = make_tiny_adapter(tiny_model, tmp_path / "other", seed=12)
    with pytest.raises(ParityError, match="prompt 1 of 3"):
        check_parity(tiny_model, other, merged, prompts, TOKENS, get_end_token(tiny_model))


def test_without_a_prompt_nothing_is_proven(tiny_model, adapter, merged):
    with pytest.raises(ParityError, match="no prompt"):
        check_parity(tiny_model, adapter, merged, [], TOKENS, get_end_token(tiny_model))


def test_an_adapter_that_is_missing_is_named(tiny_model, tmp_path):
    with pytest.raises(ArtifactError, match=r"nothing has neither adapter_model\.safetensors"):
        merge(tiny_model, tmp_path / "nothing", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
