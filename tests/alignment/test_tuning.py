"""Preference tuning learns, resumes exactly and keeps its reference."""

import pytest
from tests.alignment.alignment_processes import run_alignment, run_killed, tokenize
from tests.fixtures.training import create_preference_records

from seodang.alignment.measures import ModelPair, answer_prompts, score_pairs
from seodang.alignment.summary import summarize_answers, summarize_pairs
from seodang.io.atomic import compute_sha256
from seodang.models.loading import load_model

METHODS = ("dpo", "kto", "orpo")


@pytest.mark.parametrize("method", METHODS)
def test_training_pairs_are_preferred_afterwards(
    method, tiny_model, tuned_adapter, tmp_path, build_align_params, build_train_params
):
    align, train = build_align_params(method=method, epochs=6.0), build_train_params()
    result = run_alignment(tiny_model, tuned_adapter, tmp_path, align, train)
    pairs = tokenize(tiny_model, create_preference_records(12)).pairs
    models = ModelPair(load_model(tiny_model, "fp32", "cpu"), tuned_adapter, tmp_path / "adapter")
    summary = summarize_pairs(score_pairs(models, pairs, 256), align.beta)
    assert result.steps == {"dpo": 18, "kto": 42, "orpo": 18}[method]
    assert summary["reward_accuracy"]["value"] == 1.0
    assert summary["reward_margin"]["value"] > 0.1
    assert sorted(file.name for file in (tmp_path / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_an_unchanged_model_has_no_drift_and_no_reward(tiny_model, tuned_adapter):
    pairs = tokenize(tiny_model, create_preference_records(12)).pairs
    models = ModelPair(load_model(tiny_model, "fp32", "cpu"), tuned_adapter, tuned_adapter)
    summary = summarize_pairs(score_pairs(models, pairs, 256), 0.1)
    answers = summarize_answers(answer_prompts(models, pairs, end_id=0, max_new_tokens=6, batch_tokens=256))
    assert summary["reward_margin"]["value"] == pytest.approx(0, abs=1e-6)
    assert summary["tuned_accuracy"] == summary["aligned_accuracy"]
    assert answers["kl_per_token"]["value"] == pytest.approx(0, abs=1e-6)
    assert (answers["length_ratio"]["value"], answers["changed_answers"]) == (1.0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_killed_run_resumes_to_the_same_bytes(
    method, tiny_model, tuned_adapter, tmp_path, build_align_params, build_train_params
):
    align, train = build_align_params(method=method), build_train_params()
    arguments = (tiny_model, tuned_adapter)
    run_alignment(*arguments, tmp_path / "whole", align, train)
    run_killed(*arguments, tmp_path / "killed", align, train, step=5)
    assert not (tmp_path / "killed" / "adapter").exists()
    resumed = run_alignment(*arguments, tmp_path / "killed", align, train)
    assert resumed.resume_steps == [4]
    whole, killed = (
        compute_sha256(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("whole", "killed")
    )
    assert whole == killed


def test_another_seed_gives_another_adapter(
    tiny_model, tuned_adapter, tmp_path, build_align_params, build_train_params
):
    digests = set()
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        run_alignment(
            tiny_model, tuned_adapter, tmp_path / name, build_align_params(seed=seed, epochs=1.0), build_train_params()
        )
        digests.add(compute_sha256(tmp_path / name / "adapter" / "adapter_model.safetensors"))
    assert len(digests) == 2
