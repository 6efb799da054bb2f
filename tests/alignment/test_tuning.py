"""Preference tuning learns, resumes exactly and keeps its reference."""

import pytest
from tests.alignment.alignment_processes import run_alignment, run_killed, tokenize
from tests.fixtures.training import create_preference_records

from seodang.alignment import measures
from seodang.alignment.measures import ModelPair, PairScore, answer_prompts, score_pairs
from seodang.alignment.summary import compare_with_pairs, summarize_answers, summarize_pairs
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
    assert summary["accuracy_change"]["value"] == 0.0
    assert answers["kl_per_token"]["value"] == pytest.approx(0, abs=1e-6)
    assert (answers["length_ratio"]["value"], answers["changed_answers"]) == (1.0, 0)


def test_the_drift_of_an_answer_does_not_depend_on_how_many_are_measured_at_a_time(
    tiny_model, tuned_adapter, tmp_path, build_align_params, build_train_params, monkeypatch
):
    run_alignment(tiny_model, tuned_adapter, tmp_path, build_align_params(), build_train_params())
    pairs = tokenize(tiny_model, create_preference_records(6)).pairs
    models = ModelPair(load_model(tiny_model, "fp32", "cpu"), tuned_adapter, tmp_path / "adapter")

    def measure():
        answers = answer_prompts(models, pairs, end_id=0, max_new_tokens=6, batch_tokens=256)
        return [answer.divergences for answer in answers]

    together = measure()
    monkeypatch.setattr(measures, "_KEPT_LOGITS", 1)  # so each answer is measured alone
    assert measure() == together
    assert any(value > 0 for values in together for value in values)


def score(task, tuned, aligned, group):
    return PairScore(group, group, "ko", task, *tuned, *aligned)


def test_the_change_of_the_pairs_is_paired_and_counted_by_task():
    right, wrong = (-1.0, -2.0), (-2.0, -1.0)
    scores = [
        *(score("curt", wrong, right, f"a{number}") for number in range(6)),
        *(score("curt", right, right, f"b{number}") for number in range(10)),
        *(score("made_up", right, wrong, f"c{number}") for number in range(2)),
        *(score("made_up", wrong, wrong, f"d{number}") for number in range(2)),
    ]
    summary = summarize_pairs(scores, 0.1)
    assert (summary["tuned_accuracy"]["value"], summary["aligned_accuracy"]["value"]) == (0.6, 0.8)
    change = summary["accuracy_change"]
    assert change["value"] == pytest.approx(0.2)
    assert change["low"] < 0.2 < change["high"]
    assert summary["tasks"] == {
        "curt": {"pairs": 16, "tuned": 10, "aligned": 16},
        "made_up": {"pairs": 4, "tuned": 2, "aligned": 0},
    }


def test_generated_answers_are_compared_with_both_sides_of_their_pair():
    kind, curt = "창가에 있습니다.", "창가라니까!"
    samples = [
        {"chosen": kind, "rejected": curt, "tuned": curt, "aligned": kind},
        {"chosen": kind, "rejected": curt, "tuned": "", "aligned": kind + kind},
    ]
    figures = compare_with_pairs(samples, ["a", "b"])
    assert (figures["tuned_closer"]["value"], figures["aligned_closer"]["value"]) == (0.0, 1.0)
    assert figures["closer_change"]["value"] == 1.0
    assert figures["chrf_change"]["value"] == pytest.approx(
        figures["aligned_chrf"]["value"] - figures["tuned_chrf"]["value"], abs=1e-4
    )
    assert figures["preferred_length_ratio"]["value"] == 1.5


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
