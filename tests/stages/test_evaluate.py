"""Stage `evaluate` on a tiny model. Run: pytest tests/stages/test_evaluate.py"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.fixtures.gate import build_align, build_gate

from seodang.config import EvaluateParams, PromptParams
from seodang.errors import EvaluationError
from seodang.evaluation import runner
from seodang.evaluation.exam import PromotedRun, read_promoted_run
from seodang.io.jsonl import read_json, read_rows, write_json, write_records, write_rows
from seodang.models import slot
from seodang.models.adapters import compute_tuned_sha256
from seodang.paths import Paths
from seodang.registry.champion import write_champion
from seodang.registry.ledger.recording import read_ledger
from seodang.stages import evaluate as stage
from seodang.stages import gate

EVALUATE = EvaluateParams(
    seed=1,
    items_per_task=2,
    skipped_items={},
    frequency_penalty=0.0,
    shots=[0, 1],
    base_formats=["koalpaca"],
    tokens_per_batch=256,
    max_new_tokens=4,
    calibrate_base=False,
    generations_per_task=1,
    generations_per_free_text_task=1,
    tasks=[],
    data_folder=None,
)


@pytest.fixture
def paths(tmp_path: Path, make_tiny_model, make_training_records) -> Paths:
    """Return a project with a base and splits, as training leaves it."""
    paths = Paths(tmp_path)
    make_tiny_model(paths.base)
    write_champion(paths.champion, None)
    write_json(paths.preflight_report, {"tasks": []})
    for split, count in (("train", 6), ("test", 3), ("unseen", 2)):
        write_records(paths.get_split_path(split), make_training_records(count))
    return paths


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """Return, for each loaded model, the earlier models in memory when its loading begins."""
    alive: list[list[Any]] = []
    models: list[weakref.ref[Any]] = []
    load_model = slot.load_model

    def load(folder: Path, precision: str, device: str) -> Any:
        alive.append([reference() for reference in models if reference() is not None])
        model = load_model(folder, precision, device)
        models.append(weakref.ref(model))
        return model

    monkeypatch.setattr(slot, "load_model", load)
    return alive


@pytest.fixture(scope="module")
def run_stage(build_train_params):
    def run_stage(paths: Paths, evaluate: EvaluateParams = EVALUATE) -> list[str]:
        report = stage.run(
            prompt=PromptParams(format="koalpaca"), train=build_train_params(), evaluate=evaluate, paths=paths
        )
        return [row["name"] for row in report["variants"]]

    return run_stage


def test_the_base_has_left_the_memory_when_a_fully_trained_model_is_loaded(paths, loaded, make_tiny_model, run_stage):
    make_tiny_model(paths.adapter)
    assert run_stage(paths) == ["zero_shot", "few_shot", "tuned"]
    assert loaded == [[], []]


def test_an_adapter_is_put_onto_the_base_that_is_loaded(paths, loaded, make_tiny_adapter, run_stage):
    make_tiny_adapter(paths.base, paths.adapter)
    assert run_stage(paths) == ["zero_shot", "few_shot", "tuned"]
    assert loaded == [[]]


def record_penalties(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list that the frequency penalty of each variant comes into."""
    penalties: list[float] = []
    iter_generations = runner.iter_generations

    def record(*args: Any, frequency_penalty: float, **options: Any) -> Any:
        penalties.append(frequency_penalty)
        return iter_generations(*args, frequency_penalty=frequency_penalty, **options)

    monkeypatch.setattr(runner, "iter_generations", record)
    return penalties


def test_champions_that_were_better_are_scored_and_compared_too(
    paths, make_tiny_adapter, run_stage, build_champion, monkeypatch
):
    make_tiny_adapter(paths.base, paths.adapter)
    write_champion(paths.champion, build_champion("v0.3.0"), [build_champion("v0.1.0")])
    for name in ("fetch_packaged_model", "fetch_earlier_champion"):
        monkeypatch.setattr(stage, name, lambda champion, paths: paths.base)  # any model will do
    monkeypatch.setattr(stage, "read_manifest", lambda folder: SimpleNamespace(frequency_penalty=1.9))
    monkeypatch.setattr(stage, "fetch_promoted_run", lambda champion, paths: PromotedRun())
    penalties = record_penalties(monkeypatch)
    assert run_stage(paths) == ["zero_shot", "few_shot", "tuned", "champion", "champion_v0.1.0"]
    assert penalties == [
        0.0,
        0.0,
        1.9,
        1.9,
    ]  # a champion is evaluated as it is served; equal requests are computed once
    verdict = gate.run(gate=build_loss_gate(), align=build_align(), paths=paths)
    assert [result["against"] for result in verdict["results"] if result["rule"] == 1] == [
        "champion v0.3.0"
    ]  # both have the same weights here, so one comparison is enough
    rows = list(read_rows(paths.scores))
    for row in rows:
        if row["variant"] == "champion_v0.1.0":
            row["loss"] = 0.1
    write_rows(paths.scores, rows)
    verdict = gate.run(gate=build_loss_gate(), align=build_align(), paths=paths)
    against = [result["against"] for result in verdict["results"] if result["rule"] == 1]
    assert against == ["champion v0.3.0", "champion v0.1.0"]


def test_items_whose_answer_changed_since_the_promotion_are_left_out_and_said_first(
    paths, make_tiny_adapter, run_stage, build_champion, monkeypatch
):
    make_tiny_adapter(paths.base, paths.adapter)
    write_champion(paths.champion, build_champion("v0.3.0"))
    rows = list(read_rows(paths.get_split_path("test")))
    before = read_promoted_run({"test": [{**row, "output": "옛 답"} for row in rows]}, [], [])
    monkeypatch.setattr(stage, "fetch_packaged_model", lambda champion, paths: paths.base)
    monkeypatch.setattr(stage, "read_manifest", lambda folder: SimpleNamespace(frequency_penalty=0.0))
    monkeypatch.setattr(stage, "fetch_promoted_run", lambda champion, paths: before)
    run_stage(paths)
    assert {row["status"] for row in read_rows(paths.exams)} == {"changed"}
    verdict = gate.run(gate=build_loss_gate(), align=build_align(), paths=paths)
    assert verdict["verdict"] != "promote"
    assert "other reference answers than at the promotion of v0.3.0" in verdict["reasons"][0]["en"]
    assert "no item is left to compare with the champion" in verdict["reasons"][1]["en"]
    assert verdict["exam_reasons"] == 2


def test_a_candidate_that_is_the_champion_itself_is_not_compared_with_itself(
    paths, make_tiny_model, run_stage, build_champion, monkeypatch
):
    make_tiny_model(paths.adapter)
    champion = build_champion("v0.3.0").model_copy(update={"adapter_sha256": compute_tuned_sha256(paths.adapter)})
    write_champion(paths.champion, champion)
    monkeypatch.setattr(stage, "fetch_packaged_model", lambda champion, paths: paths.adapter)
    monkeypatch.setattr(stage, "read_manifest", lambda folder: SimpleNamespace(frequency_penalty=0.0))
    monkeypatch.setattr(stage, "fetch_promoted_run", lambda champion, paths: PromotedRun())
    run_stage(paths)
    verdict = gate.run(gate=build_loss_gate(), align=build_align(), paths=paths)
    assert {result["rule"] for result in verdict["results"]} == {0}
    reasons = [reason["en"] for reason in verdict["reasons"]]
    assert any(reason.startswith("the candidate is champion v0.3.0 itself") for reason in reasons)
    assert "there is no champion to compare with: the rules against it do not apply" in reasons

    rows = [
        {**row, "loss": 0.1} if row["variant"] == "champion" and row["loss"] else row for row in read_rows(paths.scores)
    ]
    write_rows(paths.scores, rows)  # as with another package of the same adapter, such as with a penalty
    verdict = gate.run(gate=build_loss_gate(), align=build_align(), paths=paths)
    assert {result["rule"] for result in verdict["results"]} == {0, 1}


def build_loss_gate():
    rule = {"metric": "loss", "margin": 0.1}
    champion = {**rule, "against": "champion", "test": "non_inferiority"}
    return build_gate(rule, champion, resamples=1000, minimum_items=2)


def test_a_judgement_is_recorded_once(paths, make_tiny_adapter, run_stage):
    make_tiny_adapter(paths.base, paths.adapter)
    run_stage(paths)
    gate_params = build_loss_gate().model_copy(update={"rules": build_loss_gate().rules[:1]})
    first = gate.run(gate=gate_params, align=build_align(), paths=paths)
    [file] = paths.ledger.glob("*.jsonl")
    content = file.read_bytes()
    assert gate.run(gate=gate_params, align=build_align(), paths=paths) == first
    assert file.read_bytes() == content
    assert first["results"][0]["judgement"] == 1
    rows = list(read_rows(paths.scores))
    for row in rows:
        if row["variant"] == "tuned":
            row["loss"] += 0.01
    write_rows(paths.scores, rows)
    assert gate.run(gate=gate_params, align=build_align(), paths=paths)["results"][0]["judgement"] == 2
    assert len(read_ledger(paths.ledger)) == 2


def test_an_empty_test_split_is_an_error_in_the_language_of_the_user(paths, monkeypatch, run_stage):
    for split in ("test", "unseen"):
        write_records(paths.get_split_path(split), [])
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(EvaluationError, match="test 분할이 비었습니다"):
        run_stage(paths)


WORKER = """
import sys, time
from pathlib import Path
from seodang.config import EvaluateParams, PromptParams, TrainParams
from seodang.evaluation import runner
from seodang.paths import Paths
from seodang.stages import evaluate
score = runner.score_choices
runner.score_choices = lambda *arguments, **options: (time.sleep(0.3), score(*arguments, **options))[1]
evaluate.run(
    prompt=PromptParams(format="koalpaca"),
    train=TrainParams.model_validate_json(sys.argv[2]),
    evaluate=EvaluateParams.model_validate_json(sys.argv[3]),
    paths=Paths(Path(sys.argv[1])),
)
"""


def count_log_lines(paths: Paths) -> int:
    return sum(file.read_bytes().count(b"\n") for file in paths.evaluation.glob("*.jsonl"))


@pytest.mark.slow
def test_a_killed_evaluation_resumes_and_repeats_no_request(
    paths, monkeypatch, build_train_params, make_tiny_adapter, run_stage
):
    make_tiny_adapter(paths.base, paths.adapter)
    command = [
        sys.executable,
        "-c",
        WORKER,
        str(paths.root),
        build_train_params().model_dump_json(),
        EVALUATE.model_dump_json(),
    ]
    child = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while count_log_lines(paths) < 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()  # SIGKILL: the process cannot clean up
    child.wait()
    rows = [
        json.loads(line)
        for file in paths.evaluation.glob("*.jsonl")
        for line in file.read_text("utf-8").splitlines(keepends=True)[1:]
        if line.endswith("\n")
    ]
    kept = len(rows)
    assert kept >= 7
    request_counts: list[int] = []
    score = runner.score_choices
    monkeypatch.setattr(
        runner,
        "score_choices",
        lambda model, choices, tokens, *, skip: (
            request_counts.append(len(choices) - len(skip)),
            score(model, choices, tokens, skip=skip),
        )[1],
    )
    assert run_stage(paths) == ["zero_shot", "few_shot", "tuned"]
    resumed = paths.scores.read_bytes()
    monkeypatch.undo()
    assert read_json(paths.evaluate_report)["resumed"] == kept
    assert count_log_lines(paths) == 0
    shutil.rmtree(paths.model_results)  # otherwise the next evaluation computes nothing
    assert run_stage(paths) == ["zero_shot", "few_shot", "tuned"]
    assert paths.scores.read_bytes() == resumed
    # Each item has one option here, so each result of the log saves one request.
    assert sum(request_counts) == len(list(read_rows(paths.scores))) - sum(row["kind"] == "options" for row in rows)


def count_forward_passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list that the kind of each request to a model comes into."""
    passes: list[str] = []
    for name in ("score_choices", "iter_generations"):
        compute = getattr(runner, name)

        def count(*arguments: Any, _name: str = name, _compute: Any = compute, **options: Any) -> Any:
            passes.append(_name)
            return _compute(*arguments, **options)

        monkeypatch.setattr(runner, name, count)
    return passes


def test_another_evaluation_computes_only_what_has_changed_and_writes_the_same_bytes(
    paths, monkeypatch, make_tiny_adapter, make_training_records, run_stage
):
    make_tiny_adapter(paths.base, paths.adapter)
    passes = count_forward_passes(monkeypatch)
    run_stage(paths)
    first, computed = paths.scores.read_bytes(), len(passes)
    assert read_json(paths.evaluate_report)["reused"] == 0
    run_stage(paths)
    assert len(passes) == computed
    assert paths.scores.read_bytes() == first
    assert read_json(paths.evaluate_report)["reused"] > 0

    make_tiny_adapter(paths.base, paths.aligned_adapter)  # as stage align does
    write_records(paths.get_split_path("unseen"), make_training_records(4))
    passes.clear()
    run_stage(paths)
    with_reuse, reused_passes = paths.scores.read_bytes(), len(passes)
    shutil.rmtree(paths.model_results)
    passes.clear()
    run_stage(paths)
    assert paths.scores.read_bytes() == with_reuse
    assert 0 < reused_passes < len(passes)


def write_alignment(paths, *, accuracy=0.9):
    """Write the report of stage align, as of a run that drifted little."""
    estimate = {"value": accuracy, "low": accuracy - 0.05, "high": accuracy + 0.05}
    small = {"value": 0.02, "low": 0.01, "high": 0.03}
    pairs = {"pairs": 40, "reward_accuracy": estimate, "chosen_change": small}
    answers = {"kl_per_token": small, "length_ratio": {"value": 1.0, "low": 0.9, "high": 1.1}}
    write_json(paths.align_report, {"method": "dpo", "pairs": pairs, "drift": answers})


def set_losses(paths, **losses):
    """Write a loss of each variant into its scores."""
    rows = list(read_rows(paths.scores))
    for row in rows:
        noise = int(row["item"][:4], 16) % (7 if row["variant"] == "tuned" else 11)
        row["loss"] = losses.get(row["variant"], 2.0) + 0.01 * noise
    write_rows(paths.scores, rows)


@pytest.fixture
def aligned_paths(paths, make_tiny_adapter, make_training_records, run_stage):
    """A project after stage evaluate with a tuned and an aligned adapter."""
    write_records(paths.get_split_path("test"), make_training_records(40))
    make_tiny_adapter(paths.base, paths.adapter)
    make_tiny_adapter(paths.base, paths.aligned_adapter, seed=12)
    write_alignment(paths)
    evaluate = EVALUATE.model_copy(update={"items_per_task": 40})
    assert run_stage(paths, evaluate) == ["zero_shot", "few_shot", "tuned", "aligned"]
    return paths


def judge_losses(paths):
    rule = {"metric": "loss", "margin": 0.1}
    champion = {**rule, "against": "champion", "test": "non_inferiority"}
    gate_params = build_gate(rule, champion, resamples=1000, minimum_items=2, judgements=1000)
    return gate.run(gate=gate_params, align=build_align(), paths=paths)


def test_the_aligned_model_is_compared_with_the_tuned_one_and_may_be_the_candidate(aligned_paths):
    set_losses(aligned_paths, tuned=1.0, aligned=0.9)
    verdict = judge_losses(aligned_paths)
    assert (verdict["candidate"], verdict["verdict"]) == ("aligned", "promote")
    assert [result["against"] for result in verdict["results"] if result["rule"] == 1] == ["tuned"]
    assert verdict["adapter_sha256"] == read_json(aligned_paths.evaluate_report)["aligned_sha256"]
    assert verdict["candidates"]["tuned"]["verdict"] == "promote"
    assert len(read_ledger(aligned_paths.ledger)) == 2


def test_an_aligned_model_that_lost_what_the_tuned_one_knew_is_rejected_and_the_tuned_one_promoted(aligned_paths):
    set_losses(aligned_paths, tuned=1.0, aligned=1.5)
    verdict = judge_losses(aligned_paths)
    assert (verdict["candidate"], verdict["verdict"]) == ("tuned", "promote")
    assert verdict["candidates"]["aligned"]["verdict"] == "reject"
    assert verdict["adapter_sha256"] == read_json(aligned_paths.evaluate_report)["adapter_sha256"]
    assert "aligned with dpo: reject" in verdict["reasons"][-1]["en"]


def test_an_aligned_model_whose_preferences_got_worse_is_rejected(aligned_paths):
    write_alignment(aligned_paths, accuracy=0.3)
    set_losses(aligned_paths, tuned=1.0, aligned=0.9)
    assert judge_losses(aligned_paths)["candidates"]["aligned"]["verdict"] == "reject"


def test_without_alignment_the_verdict_has_no_word_about_it(paths, make_tiny_adapter, run_stage):
    make_tiny_adapter(paths.base, paths.adapter)
    run_stage(paths)
    verdict = judge_losses(paths)
    assert not {"candidate", "candidates"} & set(verdict)
    assert "aligned_sha256" not in read_json(paths.evaluate_report)
