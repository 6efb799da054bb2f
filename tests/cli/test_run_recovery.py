"""`seodang run` after kills and a full disk, and beside another run. Run: pytest tests/cli/test_run_recovery.py"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seodang.paths import Paths
from seodang.stages.workspace import check_workspace

_STAGES = """
stages:
  data:
    cmd: python stage.py data
    deps: [stage.py]
    outs: [artifacts/data.txt]
  gate:
    cmd: python stage.py gate
    deps: [artifacts/data.txt]
    outs: [artifacts/gate/verdict.json]
  report:
    cmd: python stage.py report
    deps: [artifacts/gate/verdict.json]
    outs: [artifacts/report.txt]
"""
# A stage notes that it runs, and waits for a line from the pipe `go` where there is one.
_STAGE = """
import os, sys
from pathlib import Path
name = sys.argv[1]
with open("runs.txt", "a") as file:
    print(name, file=file)
if name == "data" and os.path.exists("go"):
    print("data waits", flush=True)
    open("go").read()
Path("artifacts/gate").mkdir(parents=True, exist_ok=True)
texts = {"data": "data", "gate": '{"verdict": "reject"}', "report": "page"}
Path({"data": "artifacts/data.txt", "gate": "artifacts/gate/verdict.json", "report": "artifacts/report.txt"}[name]).write_text(texts[name])
"""
_SEODANG = [sys.executable, "-m", "seodang.cli.dvc_process"]  # as `seodang run` starts it

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project whose first stage waits for the pipe `go`."""
    (tmp_path / "dvc.yaml").write_text(_STAGES)
    (tmp_path / "stage.py").write_text(_STAGE)
    (tmp_path / ".gitignore").write_text("/.seodang/\n")
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def start(project: Path, command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_until(lines, text: str) -> str:
    return next(line for line in lines if text in line)


def list_runs(project: Path) -> list[str]:
    return (project / "runs.txt").read_text().split()


@pytest.mark.parametrize("first_command", [["dvc", "repro"], _SEODANG])
def test_a_run_beside_another_one_waits_and_says_so(project, first_command):
    os.mkfifo(project / "go")
    first = start(project, first_command)
    read_until(first.stdout, "data waits")
    second = start(project, _SEODANG)
    line = read_until(second.stderr, "another run works on this project")
    assert f"process {first.pid} (" in line
    (project / "go").write_text("")
    assert (first.communicate() and first.returncode, second.communicate() and second.returncode) == (0, 0)
    assert sorted(list_runs(project)) == ["data", "gate", "report"]  # each once: the second run found the results


def test_an_interruption_ends_a_run_that_waits(project):
    os.mkfifo(project / "go")
    first = start(project, ["dvc", "repro"])
    read_until(first.stdout, "data waits")
    second = start(project, _SEODANG)
    read_until(second.stderr, "another run works on this project")
    second.send_signal(signal.SIGINT)
    assert "Traceback" not in second.communicate()[1]
    assert second.returncode == 130
    (project / "go").write_text("")
    first.communicate()
    assert first.returncode == 0


def test_a_run_after_a_kill_and_a_full_disk_finds_what_was_done(project):
    assert subprocess.run(_SEODANG, cwd=project, capture_output=True, check=False).returncode == 0
    whole = (project / "dvc.lock").read_text()
    (project / "dvc.lock").write_text(whole[: whole.index("  report:") + 20])
    (project / ".dvc" / "tmp" / "rwlock").write_text("")
    broken = subprocess.run(["dvc", "repro"], cwd=project, capture_output=True, text=True, check=False)
    assert broken.returncode == 255
    check_workspace(Paths(project))
    done = subprocess.run(_SEODANG, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (project / "dvc.lock").read_text() == whole
    assert list_runs(project) == ["data", "gate", "report"]  # `report` came from DVC's cache


def test_a_stage_that_fails_leaves_what_earlier_stages_wrote(project):
    """Outputs, their entries in .gitignore and the state of git are those from before the run."""
    names = ["one", "two", "three", "four", "five", "six", "seven"]
    stages = {
        name: {"cmd": f"cat {source} > {name}.txt", "deps": [source], "outs": [f"{name}.txt"]}
        for name, source in zip(names, ["in.txt", *(f"{name}.txt" for name in names)], strict=False)
    }
    stages["report"] = {**stages.pop("seven"), "outs": ["page.txt"], "params": ["word"]}
    stages["report"]["cmd"] = "test ! -e fail && cat six.txt > page.txt && mkdir -p artifacts/gate"
    (project / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    (project / "in.txt").write_text("in")
    (project / "params.yaml").write_text("word: 1\n")
    verdict = project / "artifacts" / "gate" / "verdict.json"
    verdict.parent.mkdir(parents=True)
    verdict.write_text('{"verdict": "reject"}')
    author = ["-c", "user.name=t", "-c", "user.email=t@l"]
    assert subprocess.run(_SEODANG, cwd=project, capture_output=True, check=False).returncode == 0
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    subprocess.run(["git", *author, "commit", "-q", "-m", "start"], cwd=project, check=True)
    kept = [f"{name}.txt" for name in names[:6]] + [".gitignore", "dvc.lock"]
    before = {name: (project / name).read_bytes() for name in kept}
    (project / "params.yaml").write_text("word: 2\n")
    (project / ".git" / "info" / "exclude").write_text("fail\n")
    (project / "fail").touch()
    done = subprocess.run(_SEODANG, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ended with exit code 1" in done.stderr
    assert {name: (project / name).read_bytes() for name in kept} == before
    state = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True)
    assert state.stdout == " M params.yaml\n"
    (project / "fail").unlink()
    assert subprocess.run(_SEODANG, cwd=project, capture_output=True, check=False).returncode == 0


def test_a_lock_whose_process_id_another_process_has_does_not_stop_a_run(project):
    """DVC alone takes any process with the id for the holder."""
    holder = {"pid": os.getppid(), "cmd": "/venv/bin/dvc repro"}
    path = str(project / "artifacts" / "data.txt")
    (project / ".dvc" / "tmp" / "rwlock").write_text(json.dumps({"write": {path: holder}}))
    alone = subprocess.run(["dvc", "repro"], cwd=project, capture_output=True, text=True, check=False)
    assert "is busy" in alone.stderr
    done = subprocess.run(_SEODANG, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "1 process that no longer runs holds paths" in done.stderr
