"""The complete pipeline by `dvc repro`, on a model made in the test."""

import json
import re
from pathlib import Path

import pytest
import yaml

from seodang.config.load import merge_overlay
from seodang.config.yaml_file import read_yaml

STAGES = ("base", "ingest", "validate", "prepare", "preflight", "train", "evaluate", "gate", "report")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory, make_project, small_overlay):
    return make_project(tmp_path_factory.mktemp("project"), small_overlay)


@pytest.fixture(scope="module")
def first_run(project, run_command):
    return run_command(project, "seodang", "run")


def verdict(project: Path) -> dict:
    return json.loads((project / "artifacts" / "gate" / "verdict.json").read_text("utf-8"))


@pytest.mark.smoke
def test_a_rejection_is_a_result_with_its_reasons_and_leaves_no_package(project, first_run):
    assert verdict(project)["verdict"] == "reject"
    assert first_run.returncode == 3
    assert "verdict: reject" in first_run.stdout
    assert "maximum 0.001" in first_run.stdout.partition("not met")[2]
    assert not any(word in first_run.stderr for word in ("ERROR", "Traceback", "is empty", "failed to reproduce"))
    assert not any(word in first_run.stdout for word in ("dvc push", "autostage"))
    assert not (project / "artifacts" / "package" / "model").exists()


@pytest.mark.smoke
def test_every_stage_before_it_left_what_it_promises(project, first_run):
    declared = yaml.safe_load((project / "dvc.yaml").read_text("utf-8"))["stages"]
    for stage in STAGES:
        for out in declared[stage]["outs"]:
            assert (project / (out if isinstance(out, str) else next(iter(out)))).exists()
    assert (project / "artifacts" / "validate" / "data_docs" / "index.html").exists()


@pytest.mark.smoke
def test_no_output_holds_a_path_of_this_machine(project, first_run):
    """Outputs are published, and their checksums are equal in every clone."""
    outputs = [file for file in (project / "artifacts").rglob("*") if file.is_file()]
    roots = {str(project).encode(), str(project.resolve()).encode(), str(Path.home()).encode() + b"/"}
    assert [str(file) for file in outputs if any(root in file.read_bytes() for root in roots)] == []


@pytest.mark.smoke
def test_every_variant_has_scores_of_the_same_items(project, first_run):
    rows = [
        json.loads(line)
        for line in (project / "artifacts" / "evaluate" / "scores.jsonl").read_text("utf-8").splitlines()
    ]
    items = {
        name: {(row["task"], row["item"]) for row in rows if row["variant"] == name}
        for name in ("zero_shot", "few_shot", "tuned")
    }
    assert items["zero_shot"] == items["few_shot"] == items["tuned"] != set()


@pytest.mark.smoke
def test_a_second_run_runs_nothing_before_package(project, first_run, run_command):
    again = run_command(project, "dvc", "repro", "report")
    assert again.returncode == 0
    assert re.findall("Running stage '(.*)'", again.stdout) == ["inputs"]  # it looks for changes that DVC does not see


def test_another_learning_rate_runs_train_and_what_follows_only(project, first_run, run_command):
    params = read_yaml(project / "params.yaml")
    (project / "params.yaml").write_text(
        yaml.safe_dump(merge_overlay(params, {"train": {"learning_rate": 1.0e-3}}), allow_unicode=True), "utf-8"
    )
    again = run_command(project, "dvc", "repro", "report")
    ran = [stage for stage in STAGES if f"Running stage '{stage}'" in again.stdout]
    assert ran == ["train", "evaluate", "gate", "report"]
    difference = run_command(project, "dvc", "params", "diff", "--all", "--json")
    assert difference.returncode == 0


@pytest.mark.smoke
def test_dvc_shows_metrics_plots_and_the_graph(project, first_run, run_command):
    assert "tuned" in run_command(project, "dvc", "metrics", "show").stdout
    plots = run_command(project, "dvc", "plots", "show")
    assert plots.returncode == 0
    page = (project / "dvc_plots" / "index.html").read_text("utf-8")
    assert "loss" in page
    assert "sentiment" in page
    assert "evaluate" in run_command(project, "dvc", "dag").stdout


@pytest.mark.smoke
def test_all_errors_of_params_are_listed_before_anything_runs(project, first_run, run_command):
    kept = (project / "params.yaml").read_text("utf-8")
    params = merge_overlay(
        read_yaml(project / "params.yaml"), {"train": {"rank": 0, "lorra": 3}, "prompt": {"format": "없음"}}
    )
    (project / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True), "utf-8")
    found = run_command(project, "seodang", "run")
    (project / "params.yaml").write_text(kept, "utf-8")
    assert found.returncode == 2
    for part in ("train.rank", "train.lorra", "prompt.format", "없음"):
        assert part in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.smoke
def test_the_report_command_shows_the_verdict_with_a_line_per_rule_in_100_columns(project, first_run, run_command):
    shown = run_command(project, "seodang", "report")
    assert shown.returncode == 0
    assert "verdict: reject" in shown.stdout
    assert "nothing was packaged" in shown.stdout
    assert re.search(r"^accuracy [^\n]*\n? [^\n]*->[^\n]*n=\d+", shown.stdout, re.MULTILINE)  # long names: two lines
    table = shown.stdout.partition("evaluation:")[0]  # commands below it are not wrapped
    assert max(map(len, table.splitlines())) <= 100
    assert "\x1b[" not in shown.stdout


@pytest.mark.smoke
def test_the_report_command_speaks_the_language_of_the_terminal(project, first_run, monkeypatch, run_command):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    shown = run_command(project, "seodang", "report")
    assert "판정: 반려" in shown.stdout
    assert "verdict" not in shown.stdout


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("errors.py", set()),
        ("reports/evaluation/templates/report.html.j2", {"report"}),
        ("gate/statistics.py", {"gate"}),
        ("training/packing.py", {"train", "align"}),  # which uses the checkpoints of training
    ],
)
def test_an_edit_marks_only_the_stages_of_its_room(project, stages_before_edits, file, stages, list_changed_stages):
    path = project / "src" / "seodang" / file
    kept = path.read_text("utf-8")
    path.write_text(kept + ("# a comment\n" if file.endswith(".py") else "{# a comment #}\n"), "utf-8")
    try:
        after = list_changed_stages(project)
    finally:
        path.write_text(kept, "utf-8")
    assert stages_before_edits == {"package"}  # it has never run, as the model is rejected
    assert after - stages_before_edits == stages


@pytest.fixture(scope="module")
def stages_before_edits(project, first_run, list_changed_stages):
    return list_changed_stages(project)


@pytest.fixture(scope="module")
def list_changed_stages(run_command):
    """Return the stages whose code differs from that of their last run."""

    def list_changed_stages(project: Path) -> set[str]:
        status = json.loads(run_command(project, "dvc", "status", "--json").stdout)
        return {
            stage
            for stage, changes in status.items()
            for change in changes
            if isinstance(change, dict) and any("src/seodang" in name for name in change.get("changed deps", {}))
        }

    return list_changed_stages
