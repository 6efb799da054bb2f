"""Experiments side by side. Run: pytest -n 0 tests/study/test_comparison.py"""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.constants import ROOT

from seodang.cli.compare import _print_comparison
from seodang.cli.main import main
from seodang.study.comparison.experiments import Experiment
from seodang.study.comparison.page import render_page
from seodang.study.comparison.table import compare_experiments

PIPELINE = """
stages:
  evaluate:
    cmd: python make.py
    params: [train]
    deps: [make.py]
    metrics: [artifacts/gate/metrics.json, artifacts/train/live/metrics.json]
    plots: [artifacts/loss.csv: {x: step, y: loss}]
"""
MAKE = """
import json, yaml
from pathlib import Path

rate = yaml.safe_load(open("params.yaml"))["train"]["learning_rate"]
scores = {"accuracy": {"all": 100 * rate}, "loss": {"retention en": 0.5 + rate}}
contents = {
    "gate": {"verdict": "promote" if rate > 0.002 else "reject", "items": "0123", "scores": scores},
    "train/live": {"validation_loss": 1 + rate},
}
for name, content in contents.items():
    folder = Path("artifacts", name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(content))
Path("artifacts/loss.csv").write_text("step,loss\\n1,2.0\\n2,1.0\\n")
"""


def make_experiment(name: str, scores: dict, **fields) -> Experiment:
    values = {"revision": name * 8, "state": None, "verdict": "promote", "items": "0123", "params": {}, **fields}
    return Experiment(name=name, scores=scores, **values)


@pytest.fixture(scope="module")
def experiments(tmp_path_factory) -> Path:
    """A project with a commit and the experiments `slower` and `faster`."""
    root = tmp_path_factory.mktemp("experiments")
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    files = {"dvc.yaml": PIPELINE, "make.py": MAKE, ".gitignore": "/artifacts/\n/dvc_plots/\n"}
    for name, text in {**files, "params.yaml": "train: {learning_rate: 0.003, epochs: 2}\n"}.items():
        (root / name).write_text(text)
    for command in (
        "git init -q -b main",
        "git config user.name test",
        "git config user.email test@localhost",
        "dvc repro -q",
        "git add -A",
        "git commit -q -m start",
        "dvc exp run -q -n slower -S train.learning_rate=0.001",
        "dvc exp run -q -n faster -S train.learning_rate=0.009",
    ):
        subprocess.run(command.split(), cwd=root, check=True, capture_output=True)
    return root


@pytest.mark.slow
def test_without_names_head_comes_first_and_every_experiment_follows(experiments, monkeypatch, capsys):
    monkeypatch.chdir(experiments)
    assert main(["compare"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["main", "workspace", "faster", "slower"]
    rows = {line[:20].strip(): line.split("  ") for line in lines}
    assert [cell.strip() for cell in rows["loss retention en"] if cell.strip()][1:] == [
        "0.503",
        "0.509 +0.006 !",  # more loss is worse
        "0.509 +0.006 !",
        "0.501 -0.002",
    ]
    assert [cell.strip() for cell in rows["accuracy"] if cell.strip()][1:] == [
        "0.300",
        "0.900 +0.600",
        "0.900 +0.600",
        "0.100 -0.200 !",
    ]
    assert rows["train.learning_rate"][-1].strip() == "0.001"
    assert max(map(len, lines)) <= 100


@pytest.mark.slow
def test_named_experiments_are_compared_with_the_first_one(experiments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(experiments)
    page = tmp_path / "pages" / "comparison.html"
    assert main(["compare", "slower", "HEAD", "--json", "--page", str(page)]) == 0
    content = json.loads(capsys.readouterr().out)
    slower, head = content["experiments"]
    assert (content["reference"], slower["verdict"], head["verdict"]) == ("slower", "reject", "promote")
    assert slower["params"] == {"train.learning_rate": 0.001}
    by_metric = {score["metric"]: score for score in head["scores"]}
    assert by_metric["loss"]["difference"] == pytest.approx(0.002)
    assert by_metric["loss"]["better"] is False
    assert by_metric["accuracy"]["better"] is True
    assert "slower" in page.read_text("utf-8")


@pytest.mark.slow
def test_an_unknown_name_is_refused_with_those_that_exist(experiments, monkeypatch, capsys):
    monkeypatch.chdir(experiments)
    assert main(["compare", "nobody"]) == 2
    message = capsys.readouterr().err
    assert "commit nobody" in message
    assert "workspace, main, faster, slower" in message


@pytest.mark.slow
def test_the_page_of_dvc_plots_needs_no_network(experiments):
    """`plots.html_template` of this repository has Vega inside; DVC's own page loads it from a CDN."""
    subprocess.run(["dvc", "plots", "show"], cwd=experiments, check=True, capture_output=True)
    page = (experiments / "dvc_plots" / "index.html").read_text("utf-8")
    assert "vegaEmbed(" in page
    assert "<script src" not in page
    assert "jsdelivr" not in page


def test_the_shipped_page_of_plots_is_the_configured_one():
    config = configparser.ConfigParser()
    config.read_string("\n".join(map(str.strip, (ROOT / ".dvc" / "config").read_text("utf-8").splitlines())))
    page = (ROOT / ".dvc" / config["plots"]["html_template"]).read_text("utf-8")
    assert page.count("{plot_divs}") == 1
    assert "Redistribution and use in source and binary forms" in page  # the licence


def test_scores_on_other_items_have_no_difference():
    scores = {("accuracy", "all"): 0.5, ("validation_loss", ""): 1.0}
    comparison = compare_experiments(
        [make_experiment("a", scores), make_experiment("b", {**scores, ("accuracy", "all"): 0.9}, items="4567")]
    )
    cells = {row.metric: row.cells[1] for row in comparison.rows}
    assert cells["accuracy"].difference is None
    assert cells["validation_loss"].difference == 0.0
    assert comparison.others == ["b"]


def test_a_difference_that_is_shown_as_zero_is_neither_better_nor_worse():
    comparison = compare_experiments(
        [make_experiment("a", {("loss", "all"): 1.0}), make_experiment("b", {("loss", "all"): 1.0001})]
    )
    assert comparison.rows[0].cells[1].better is None


def test_many_experiments_fit_a_hundred_columns(capsys):
    names = [f"a-very-long-name-of-experiment-{number}" for number in range(9)]
    scores = {("loss", "retention en"): 12.345, ("chrf", "support-questions ko"): 54.3}
    experiments = [make_experiment(name, scores, params={"train.target_modules": [name] * 9}) for name in names]
    _print_comparison(compare_experiments(experiments))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.strip().startswith("a-very-long-nam") for line in lines) == 3  # tables


def test_an_experiment_without_results_shows_its_state_and_is_no_reference(capsys):
    waiting = make_experiment("waiting", {}, verdict=None, items=None, state="queued")
    comparison = compare_experiments([waiting, make_experiment("done", {("loss", "all"): 1.0})])
    assert comparison.reference is not None
    assert comparison.reference.name == "done"
    _print_comparison(comparison)
    assert "queued" in capsys.readouterr().out


def test_the_page_escapes_names_has_both_languages_and_no_outside_resource():
    scores = {("accuracy", "<b>"): 0.5}
    page = render_page(
        compare_experiments(
            [make_experiment("<script>x</script>", scores, params={"a": "</td>"}), make_experiment("b", scores)]
        )
    )
    assert "<script" not in page
    assert "accuracy &lt;b&gt;" in page
    assert 'lang="ko">판정' in page
    assert "http" not in page
