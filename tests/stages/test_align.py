"""Stage `align`: off by default; with a method, its files and report."""

import logging
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from tests.fixtures.gate import build_bounds

from seodang.config.load import merge_overlay, parse_params
from seodang.config.profiles import read_starter
from seodang.errors import ParamsError, RewardModelRejected, TrainingError
from seodang.gate.alignment import build_alignment_reasons
from seodang.io.jsonl import read_json, write_records
from seodang.paths import Paths
from seodang.reports.training.alignment import build_page_data
from seodang.reports.training.alignment_render import render_alignment_page
from seodang.stages import align as stage
from seodang.training.curves import read_curves


def test_the_stage_is_off_by_default_and_writes_only_a_report_and_empty_folders(tmp_path):
    params, paths = parse_params(read_starter(), "test"), Paths(tmp_path)
    stage.run(prompt=params.prompt, train=params.train, align=params.align, paths=paths)
    assert read_json(paths.align_report)["method"] == "none"
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {"artifacts/align/report.json", "artifacts/align/live/metrics.json"}
    assert paths.aligned_adapter.is_dir()


def test_the_stage_that_is_off_imports_no_torch():
    code = "import sys, seodang.stages.align; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def ready(tmp_path, tiny_model, make_tiny_adapter, make_preference_records, make_training_records):
    """A project with a base, a tuned adapter and preference records."""
    paths = Paths(tmp_path)
    shutil.copytree(tiny_model, paths.base)
    make_tiny_adapter(paths.base, paths.adapter)
    write_records(paths.preferences_train, make_preference_records(12))
    write_records(paths.preferences_test, make_preference_records(12, first=100))
    write_records(paths.get_split_path("validation"), make_training_records(6))
    return paths


@pytest.fixture
def run_small(build_train_params):
    def run_small(paths, **changes):
        small = {"method": "dpo", "epochs": 4.0, "batch_size": 4, "micro_batch_size": 4, "learning_rate": 5e-3}
        content = merge_overlay(read_starter(), {"align": {**small, "max_length": 128, **changes}})
        params = parse_params(content, "test")
        train = build_train_params(report_samples=2)
        return stage.run(prompt=params.prompt, train=train, align=params.align, paths=paths)

    return run_small


def test_the_report_compares_the_aligned_with_the_tuned_model_on_held_out_pairs(ready, run_small):
    run_small(ready)
    report = read_json(ready.align_report)
    pairs, answers = report["pairs"], report["answers"]
    held_out = {"pairs": 12, "answers": 0, "too_long": 0}
    assert report["records"] == {"train": {**held_out, "replayed": 0}, "held_out": held_out}
    assert pairs["reward_accuracy"]["low"] <= pairs["reward_accuracy"]["value"] == 1.0
    assert pairs["chosen_change"]["value"] == pytest.approx(
        pairs["aligned_chosen_log_probability"]["value"] - pairs["tuned_chosen_log_probability"]["value"], abs=1e-4
    )
    assert answers["kl_per_token"]["value"] > 0
    assert report["drift"]["prompts"] == 6
    assert report["drift"]["kl_per_token"]["value"] > 0
    assert len(report["samples"]) == 2
    assert report["adapter_sha256"] != report["tuned_sha256"]
    curves = read_curves(ready.align_live)
    assert {"train_loss", "validation_loss", "reward_accuracy", "held_out_reward_accuracy", "reward_margin"} <= set(
        curves
    )
    assert [step for step, _loss in curves["train_loss"]] == [5, 10, 12]
    assert not any(ready.alignment.iterdir())


def test_training_records_are_replayed_as_pairs(ready, run_small, make_training_records):
    write_records(ready.get_split_path("train"), make_training_records(40))
    run_small(ready, epochs=1.0, replay_ratio=0.5)
    report = read_json(ready.align_report)
    assert report["records"]["train"] == {"pairs": 18, "answers": 0, "too_long": 0, "replayed": 6}
    assert report["records"]["held_out"]["pairs"] == 12
    assert "records" in report["input_sha256"]


def test_kto_is_judged_by_held_out_thumbs_alone(ready, run_small, make_preference_records, caplog):
    caplog.set_level(logging.INFO)

    def split_pairs(count, first):
        """Return thumbs up and thumbs down to questions of their own."""
        pairs = make_preference_records(count, first=first)
        good = [replace(pair, rejected="", desirable=True) for pair in pairs[::2]]
        return good + [replace(pair, output=pair.rejected, rejected="", desirable=False) for pair in pairs[1::2]]

    write_records(ready.preferences_train, split_pairs(24, 0))
    write_records(ready.preferences_test, split_pairs(24, 100))
    run_small(ready, method="kto")
    report = read_json(ready.align_report)
    thumbs = report["thumbs"]
    assert report["records"]["held_out"] == {"pairs": 0, "answers": 24, "too_long": 0}
    assert (report["pairs"], thumbs["good"], thumbs["bad"], thumbs["questions"]) == (None, 12, 12, 12)
    assert thumbs["reward_accuracy"]["low"] > 0.5
    assert thumbs["chosen_change"]["value"] > thumbs["rejected_change"]["value"]
    assert report["drift"]["kl_per_token"]["value"] > 0
    assert {"chosen", "rejected"} > report["samples"][0].keys() - {"prompt", "tuned", "aligned"} != set()
    assert "held-out thumbs (12 up, 12 down)" in caplog.text
    bounds = build_bounds(minimum_pairs=12)
    assert build_alignment_reasons(report, bounds)[0].passed is True
    page = render_alignment_page(build_page_data(report, bounds, read_curves(ready.align_live)))
    assert "good answer gained more than a bad one" in page
    assert "answer marked good" in page or "answer marked bad" in page


def test_grpo_reports_constraints_met_before_and_after_on_held_out_prompts(ready, run_small, make_records):
    for split in ("train", "test"):
        write_records(ready.get_split_path(split), make_records(split))
    changes = {"group_size": 4, "max_new_tokens": 40, "prompts": 12, "selections": 2, "drop_uniform_prompts": False}
    run_small(ready, method="grpo", epochs=1.0, **changes)
    report = read_json(ready.align_report)
    rewards = report["rewards"]
    met = rewards["constraints_met"]
    assert rewards["constrained_prompts"] >= 5
    assert met["constraints"] == sum(counts["constraints"] for counts in rewards["by_constraint"].values())
    assert met["change"]["value"] == pytest.approx(met["aligned"]["value"] - met["tuned"]["value"], abs=1e-4)
    assert rewards["exact_answers"]["tuned"]["value"] == 0.0
    assert report["pairs"]["pairs"] == 12  # the gate reads them
    assert {"reward", "constraints_met", "answer_length", "kl_per_token"} <= set(read_curves(ready.align_live))


MODEL = {"method": "grpo", "reward": "model", "group_size": 4, "max_new_tokens": 8, "epochs": 1.0}


def test_grpo_with_a_reward_model_reports_its_accuracy_and_the_rewards_before_and_after(ready, run_small, caplog):
    caplog.set_level(logging.INFO)
    settings = {"reward_model": {"learning_rate": 5e-3, "epochs": 3.0}, "bounds": {"minimum_pairs": 12}}
    run_small(ready, **MODEL, **settings)
    report = read_json(ready.align_report)
    model, rewards = report["reward_model"], report["rewards"]
    assert (model["pairs"], model["training_pairs"], rewards["prompts"], rewards["training_prompts"]) == (12,) * 4
    assert model["accuracy"]["low"] > 0.5
    assert {"margin", "better_is_longer", "better_is_shorter", "length_correlation"} <= model.keys()
    reward = rewards["reward"]
    assert reward["change"]["value"] == pytest.approx(reward["aligned"]["value"] - reward["tuned"]["value"], abs=1e-4)
    assert {"kl_per_token", "length_ratio", "ended"} <= rewards.keys()
    assert "reward model: right in 100% [" in caplog.text
    assert not any(ready.alignment.iterdir())


def test_a_reward_model_no_better_than_chance_is_refused_before_grpo_starts(
    ready, run_small, make_preference_records, monkeypatch
):
    pairs = make_preference_records(12, first=100)
    swapped = [replace(pair, output=pair.rejected, rejected=pair.output) for pair in pairs[::2]]
    write_records(ready.preferences_test, [*swapped, *pairs[1::2]])
    settings = {"reward_model": {"learning_rate": 5e-3, "epochs": 3.0}, "bounds": {"minimum_pairs": 12}}
    with pytest.raises(
        RewardModelRejected, match=r"in 50% \[\d+%, \d+%\] of 12 held-out pairs.*chance \(50%\)"
    ) as caught:
        run_small(ready, **MODEL, **settings)
    assert caught.value.exit_code == 2  # 3 would say that the run finished, and a flow would retry the stage
    assert "align.sources" in str(caught.value)
    assert not ready.align_report.exists()
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(RewardModelRejected, match="보상 모델"):  # the trained model is not trained again
        run_small(ready, **MODEL, **settings)


def test_too_few_held_out_pairs_are_refused_before_a_reward_model_is_trained(ready, run_small):
    with pytest.raises(RewardModelRejected, match=r"12 held-out pairs, and align\.bounds\.minimum_pairs is 50"):
        run_small(ready, **MODEL)
    assert not any(ready.alignment.rglob("reward*"))


@pytest.mark.parametrize("method", ["dpo", "kto", "orpo"])
def test_a_reward_model_is_refused_for_methods_that_learn_from_the_pairs_themselves(method):
    with pytest.raises(
        ParamsError, match=f"reward model needs method grpo; for {method} the pairs themselves are the data"
    ):
        parse_params(merge_overlay(read_starter(), {"align": {"method": method, "reward": "model"}}), "test")


@pytest.fixture
def make_records(build_record):
    """Makes records of a split: open questions and closed ones."""

    def make_records(split):
        open_questions = [
            build_record(f"{split} {number} 번째 문장을 따라 쓰세요.", output="비가 옵니다.") for number in range(9)
        ]
        closed = [
            build_record("감정은?", f"{split} {number} 좋았다", "긍정", choices=("긍정", "부정")) for number in range(4)
        ]
        return [*open_questions, *closed]

    return make_records


def test_records_that_are_too_long_are_counted_and_a_set_of_only_such_records_is_refused(ready, run_small):
    with pytest.raises(TrainingError, match=r"no preference record to learn from \(too long: 12\)"):
        run_small(ready, max_length=20)


def test_missing_preference_records_name_the_stage_that_writes_them(ready, run_small):
    ready.preferences_test.unlink()
    with pytest.raises(TrainingError, match=r"preferences_test\.jsonl is missing; run: dvc repro prepare"):
        run_small(ready)


def test_its_messages_are_in_korean_too(ready, run_small, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(TrainingError, match="배울 선호 레코드가 없습니다"):
        run_small(ready, max_length=20)


def test_a_full_model_cannot_be_aligned():
    overlay = {"align": {"method": "dpo"}, "train": {"method": "full"}}
    with pytest.raises(ParamsError, match=r"align\.method dpo needs an adapter"):
        parse_params(merge_overlay(read_starter(), overlay), "test")
