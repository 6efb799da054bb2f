"""`python -m flows.run`: a flow in the terminal, with a server or without one."""

import os
import subprocess
import sys

import pytest
from flows import run
from tests.constants import ROOT
from tests.flows.prefect_processes import PATIENCE, build_client_environment


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """A copy of the environment; variables that a run sets in it are dropped after the test."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")


def test_a_server_that_is_not_there_is_named_in_one_line(tmp_path, capsys):
    assert run.main(["instruction-tuning", "--project", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("seodang: no Prefect server answers at http://127.0.0.1:1/api;")
    assert "--without-server" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_parameters_that_are_no_json_object_are_named(tmp_path, capsys, text):
    assert run.main(["instruction-tuning", "--params", text]) == 2
    assert "--params is no JSON" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_flow_runs_as_a_plain_script_without_a_server(tmp_path, make_miniature):
    project = make_miniature(tmp_path / "project")
    env = build_client_environment("http://127.0.0.1:1/api", tmp_path / "client", tmp_path)
    command = [sys.executable, "-m", "flows.run", "instruction-tuning", "--without-server", "--project", str(project)]
    params = ["--params", '{"run": {"to_stage": "inputs"}}']
    done = subprocess.run(
        [*command, *params], cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE * 2, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "commands.txt").read_text().split() == ["inputs"]
    assert "Completed" in done.stdout


@pytest.mark.parametrize(
    ("text", "problem"), [('{"run": {"proifle": "x"}}', "proifle"), ('{"runs": {}}', "runs"), ('{"run": 3}', "run")]
)
def test_parameters_that_the_flow_does_not_have_are_named(tmp_path, capsys, monkeypatch, text, problem):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    words = ["data-only", "--params", text, "--project", str(tmp_path), "--without-server"]
    assert run.main(words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("seodang: --params does not fit the flow data-only: ")
    assert problem in shown


def test_a_project_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / ".seodang").write_text("in the way")
    assert run.main(["data-only", "--project", str(tmp_path), "--without-server"]) == 2
    assert f"{tmp_path / '.seodang'}" in capsys.readouterr().err
