"""`seodang run`: one line per stage, a rejection as a result, and the exit code of the stage that failed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STAGES = """
stages:
  gate:
    cmd: python stage.py gate
    deps: [stage.py, wanted.json]
    outs: [artifacts/gate/verdict.json, artifacts/gate/empty.jsonl]
  report:
    cmd: python stage.py report
    deps: [artifacts/gate/verdict.json]
    outs: [artifacts/report]
  package:
    cmd: python stage.py package
    deps: [artifacts/gate/verdict.json]
    outs: [artifacts/package]
"""
STAGE = """
import json, os, sys
from pathlib import Path

name, wanted = sys.argv[1], json.loads(Path("wanted.json").read_text())
print(f"{name} says that stderr is a terminal: {sys.stderr.isatty()}", flush=True)
if wanted.get("fail") == name:
    print(f"seodang: {name} cannot be used", file=sys.stderr)
    if wanted["code"] < 0:
        os.kill(os.getpid(), -wanted["code"])
    sys.exit(wanted["code"])
folder = Path("artifacts") / name
folder.mkdir(parents=True, exist_ok=True)
if name == "gate":
    (folder / "verdict.json").write_text(json.dumps({"verdict": wanted["verdict"]}))
    (folder / "empty.jsonl").touch()
else:
    (folder / "page.html").write_text(name)
"""
NOISE = ("dvc push", "git add", "autostage", "is empty", "Updating", "Generating", "didn't change", "failed to")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with the last three stages, which end as `wanted.json` says."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "stage.py").write_text(STAGE)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["dvc", "init", "-q"], cwd=folder, check=True)
    return folder


def reproduce(project: Path, wanted: dict | None = None, **kwargs) -> subprocess.CompletedProcess[str]:
    """Run the stages as `seodang run` does."""
    if wanted is not None:
        (project / "wanted.json").write_text(json.dumps(wanted))
    command = [sys.executable, "-m", "seodang.cli.dvc_process"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, **kwargs)


def list_lines(output: str) -> list[str]:
    return [line for line in output.splitlines() if line and "says" not in line]


def test_a_promoted_model_is_packaged_after_its_pages_and_an_unchanged_run_is_one_line(project):
    first = reproduce(project, {"verdict": "promote"})
    again = reproduce(project)
    assert (first.returncode, again.returncode) == (0, 0)
    assert list_lines(first.stdout) == ["stage gate", "stage report", "stage package"]
    assert list_lines(again.stdout) == ["unchanged: gate, report, package"]
    assert not any(noise in run.stdout + run.stderr for run in (first, again) for noise in NOISE)


def test_a_rejected_model_ends_without_an_error_and_without_package(project):
    done = reproduce(project, {"verdict": "reject", "note": "another candidate"})
    assert done.returncode == 0
    assert list_lines(done.stdout) == ["stage gate", "stage report"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("code", "expected", "reason"),
    [(2, 2, "exit code 2; its message"), (75, 75, "exit code 75"), (-9, 137, "SIGKILL"), (-15, 143, "SIGTERM")],
)
def test_a_failed_stage_gives_the_run_its_exit_code(project, code, expected, reason):
    done = reproduce(project, {"fail": "gate", "code": code})
    assert done.returncode == expected
    own, *shell, ours = done.stderr.splitlines()
    assert own == "seodang: gate cannot be used"
    assert len(shell) <= 1  # some shells print that a signal ended the command
    assert ours.startswith("seodang: `python stage.py gate` ")
    assert reason in ours


def test_errors_of_dvc_are_complete_and_end_with_2(project):
    (project / "wanted.json").rename(project / "kept.json")
    missing = reproduce(project)
    (project / "kept.json").rename(project / "wanted.json")
    assert missing.returncode == 2
    assert "failed to reproduce 'gate'" in missing.stderr
    assert "wanted.json" in missing.stderr
    (project / "dvc.yaml").write_text(STAGES + "x: [")
    damaged = reproduce(project)
    (project / "dvc.yaml").write_text(STAGES)
    assert damaged.returncode == 2
    assert "'./dvc.yaml' is invalid" in damaged.stderr
    assert "line 1" in damaged.stderr


def test_the_lines_are_in_the_language_of_the_terminal(project):
    reproduce(project, {"verdict": "reject", "note": "in Korean"})
    done = reproduce(project, env={**os.environ, "SEODANG_LANG": "ko"})
    assert list_lines(done.stdout) == ["변경 없음: gate, report"]


def test_stages_keep_the_terminal(project):
    (project / "wanted.json").write_text(json.dumps({"verdict": "reject", "note": "on a terminal"}))
    command = f"{sys.executable} -m seodang.cli.dvc_process"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], cwd=project, capture_output=True, text=True, check=True
    )
    assert "gate says that stderr is a terminal: True" in done.stdout


def test_a_closed_pipe_ends_the_run_quietly_with_141(project):
    (project / "wanted.json").write_text(json.dumps({"verdict": "reject", "note": "into head"}))
    command = f"{sys.executable} -m seodang.cli.dvc_process | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr
