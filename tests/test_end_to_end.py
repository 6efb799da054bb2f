"""The whole pipeline by `dvc repro`, on a model made in the test."""

import json
from pathlib import Path

import pytest
import yaml
from pipeline_cases import SMALL, command, make_project

from seodang.config.load import merge_overlay, read_yaml

STAGES = ("base", "ingest", "validate", "prepare", "train", "evaluate", "gate")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("project"), SMALL)


@pytest.fixture(scope="module")
def first_run(project):
    return command(project, "dvc", "repro")


def verdict(project: Path) -> dict:
    return json.loads((project / "artifacts" / "gate" / "verdict.json").read_text("utf-8"))


def test_a_rejected_model_stops_at_package_with_its_reasons_and_leaves_nothing(project, first_run):
    assert verdict(project)["verdict"] == "reject"
    assert first_run.returncode != 0
    assert "하한 2" in first_run.stderr
    assert "Traceback" not in first_run.stderr
    assert not (project / "artifacts" / "package" / "model").exists()


def test_every_stage_before_it_left_what_it_promises(project, first_run):
    declared = yaml.safe_load((project / "dvc.yaml").read_text("utf-8"))["stages"]
    for stage in STAGES:
        for out in declared[stage]["outs"]:
            assert (project / (out if isinstance(out, str) else next(iter(out)))).exists()
    assert (project / "artifacts" / "validate" / "data_docs" / "index.html").exists()


def test_every_arm_was_asked_the_same_items(project, first_run):
    rows = [
        json.loads(line)
        for line in (project / "artifacts" / "evaluate" / "scores.jsonl").read_text("utf-8").splitlines()
    ]
    items = {
        arm: {(row["task"], row["item"]) for row in rows if row["variant"] == arm}
        for arm in ("zero_shot", "few_shot", "tuned")
    }
    assert items["zero_shot"] == items["few_shot"] == items["tuned"] != set()


def test_a_second_run_runs_nothing_before_package(project, first_run):
    again = command(project, "dvc", "repro", "gate")
    assert again.returncode == 0
    assert "Running stage" not in again.stdout


def test_another_learning_rate_runs_train_and_what_follows_only(project, first_run):
    params = read_yaml(project / "params.yaml")
    (project / "params.yaml").write_text(
        yaml.safe_dump(merge_overlay(params, {"train": {"learning_rate": 1.0e-3}}), allow_unicode=True), "utf-8"
    )
    again = command(project, "dvc", "repro", "gate")
    ran = [stage for stage in STAGES if f"Running stage '{stage}'" in again.stdout]
    assert ran == ["train", "evaluate", "gate"]
    difference = command(project, "dvc", "params", "diff", "--all", "--json")
    assert difference.returncode == 0


def test_dvc_shows_metrics_plots_and_the_graph(project, first_run):
    assert "tuned" in command(project, "dvc", "metrics", "show").stdout
    plots = command(project, "dvc", "plots", "show")
    assert plots.returncode == 0
    page = (project / "dvc_plots" / "index.html").read_text("utf-8")
    assert "loss" in page
    assert "sentiment" in page
    assert "evaluate" in command(project, "dvc", "dag").stdout


def test_all_faults_of_params_are_told_before_anything_runs(project, first_run):
    kept = (project / "params.yaml").read_text("utf-8")
    params = merge_overlay(
        read_yaml(project / "params.yaml"), {"train": {"rank": 0, "lorra": 3}, "prompt": {"format": "없음"}}
    )
    (project / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True), "utf-8")
    found = command(project, "seodang", "run")
    (project / "params.yaml").write_text(kept, "utf-8")
    assert found.returncode == 2
    for part in ("train.rank", "train.lorra", "prompt.format", "없음"):
        assert part in found.stderr
    assert "Traceback" not in found.stderr


def test_the_report_command_shows_the_verdict_in_both_languages(project, first_run):
    shown = command(project, "seodang", "report")
    assert shown.returncode == 0
    assert "반려 / reject" in shown.stdout
    assert "nothing was packaged" in shown.stdout
    assert "\x1b[" not in shown.stdout
