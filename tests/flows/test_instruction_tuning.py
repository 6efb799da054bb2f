"""The flow against a real Prefect server, through flows/serve.py and Prefect's own command line.

The project is a miniature with the names of all stages and no model, so git, DVC and Prefect are real and quick. Each
run works in a worktree of its own, so the stages write their notes into the folder NOTES.
Run alone: .venv/bin/python -m pytest tests/flows/test_instruction_tuning.py
"""

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flows.process_guard import guard_process

from seodang.config.profiles import STARTER
from seodang.stages import STAGES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PATIENCE = 240  # seconds; small machines are at times ten times slower

STAGE_SCRIPT = """
import json, os, pathlib, sys, time
name = sys.argv[1]
mode = pathlib.Path("mode.txt").read_text()
notes = pathlib.Path(os.environ["NOTES"])
with open(notes / "commands.txt", "a") as commands:
    print(name, file=commands)
if mode == "fail" and name == "base":
    print("reading [/data/source.json]")
    print("seodang: source.json, 3행: 따옴표가 없습니다\\nfix the line and run again", file=sys.stderr)
    sys.exit(2)
if mode == "hang" and name == "base":
    (notes / "hanging.pid").write_text(str(os.getpid()))
    time.sleep(600)
if name == "ingest":
    print("WARNING\ta row without an answer")
reports = {
    "ingest": {"rows": 12, "sources": [{"name": "<b>own</b>", "rows_read": 13, "rows_written": 12}]},
    "validate": {"rows": 12, "accepted": 10, "quarantined": 2, "by_rule": {"blank_output": 2}},
    "prepare": {"splits": {"train": 8, "test": 2}, "languages": {"train": {"ko": 4, "en": 4}}, "left_out": {"leak": 0}},
    "evaluate": {
        "variants": [{"name": "tuned", "accuracy": 0.95}],
        "tasks": [{"task": "sentiment", "language": "ko", "items": 2, "zero_shot": 0.5, "tuned": 1.0}],
    },
    "gate": {
        "verdict": "reject" if mode == "reject" else "promote",
        "reasons": [{"passed": mode != "reject", "ko": "정확도 0.950", "en": "accuracy 0.950"}],
    },
    "package": {"bento_tag": "mini:1"},
}
files = {"gate": "verdict.json", "ingest": "manifest.json"}
path = pathlib.Path("artifacts", name, files.get(name, "report.json"))
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(reports.get(name, {})))
"""


@dataclass(frozen=True)
class Served:
    """A miniature project whose deployment is served."""

    project: Path
    url: str
    env: dict[str, str]

    def api(self, path: str, body: object = None) -> object:
        """Return the answer of the server's API: POST with a body, GET without."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Prefect's command line as a user does in another terminal."""
        return subprocess.run(
            [BIN / "prefect", *arguments], env=self.env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def set_mode(self, mode: str) -> None:
        """Commit what the stages do."""
        (self.project / "mode.txt").write_text(mode)
        self.git("add", "mode.txt")
        self.git("commit", "-q", "--allow-empty", "-m", mode)

    def git(self, *words: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        done = subprocess.run(["git", *identity, *words], cwd=self.project, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    @property
    def notes(self) -> Path:
        return Path(self.env["NOTES"])

    def read_commands(self) -> list[str]:
        """Return the stages whose command ran, in order."""
        path = self.notes / "commands.txt"
        return path.read_text().split() if path.exists() else []


@dataclass(frozen=True)
class Run:
    """A finished flow run."""

    name: str
    exit_code: int
    watched: str
    state: dict
    tasks: dict[str, dict]
    artifacts: dict[str, dict]
    logs: str
    levels: dict[str, int]


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[Served]:
    project = tmp_path_factory.mktemp("miniature")
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    env |= {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(project / ".seodang" / "client"),
        "DVC_NO_ANALYTICS": "true",
        "DO_NOT_TRACK": "1",
        "NO_PROXY": "127.0.0.1",
    }
    env |= {
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "NOTES": str(tmp_path_factory.mktemp("notes")),
        "COLUMNS": "200",
    }
    _make_project(project, env)
    log = project / "serve.log"
    command = [sys.executable, "-m", "flows.serve", "--port", str(port), "--project", str(project)]
    with log.open("w") as output, guard_process(command, cwd=ROOT, env=env, output=output) as process:
        served = Served(project, url, env)
        _wait_until_served(served, process, log)
        yield served


@pytest.fixture
def good(served: Served) -> Served:
    """The miniature with input that every stage accepts."""
    served.set_mode("promote")
    return served


@pytest.fixture(scope="session")
def promoted(served: Served) -> Run:
    served.set_mode("promote")
    return _run(served)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _make_project(project: Path, env: dict[str, str]) -> None:
    stages = {}
    for before, name in zip((None, *STAGES), STAGES, strict=False):
        file = {"gate": "verdict", "ingest": "manifest"}.get(name, "report")
        output = f"artifacts/{name}/{file}.json"
        needed = [] if before is None else stages[before]["outs"]
        mode = ["mode.txt"] if name in ("base", "gate") else []
        stages[name] = {"cmd": f"python stage.py {name}", "deps": ["stage.py", *mode, *needed], "outs": [output]}
    (project / "stage.py").write_text(STAGE_SCRIPT)
    (project / "dvc.yaml").write_text(json.dumps({"stages": stages}))  # JSON is YAML
    (project / "mode.txt").write_text("promote")
    (project / ".gitignore").write_text("/artifacts/\n/.seodang/\n/serve.log\n")
    shutil.copy(STARTER, project / "params.yaml")
    (project / "profiles").mkdir()
    shutil.copy(ROOT / "profiles" / "scratch.yaml", project / "profiles")
    author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (
        ["git", "init", "-q"],
        ["dvc", "init", "-q"],
        ["git", "add", "-A"],
        ["git", *author, "commit", "-q", "-m", "start"],
    ):
        subprocess.run(command, cwd=project, env=env, check=True)


def _wait_until_served(served: Served, process: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            served.api("/deployments/name/instruction-tuning/local")
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"nothing is served; {log} says:\n{log.read_text()}")
            time.sleep(0.5)


def _run(served: Served, **parameters: object) -> Run:
    """Run the deployment as the documentation says, and return the run as the server records it."""
    options = ["--param", f"run={json.dumps(parameters)}"] if parameters else []
    done = served.prefect("deployment", "run", "instruction-tuning/local", "--watch", *options)
    match = re.search(r"UUID: (\S+)", done.stdout)
    assert match, done.stdout + done.stderr
    run_id = match[1]
    this_run = {"flow_runs": {"id": {"any_": [run_id]}}}
    _wait_for_logs()
    record = served.api(f"/flow_runs/{run_id}")
    logs = served.api("/logs/filter", {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC"})
    return Run(
        name=record["name"],
        exit_code=done.returncode,
        watched=done.stdout,
        state=record["state"],
        tasks={
            row["name"]: row for row in served.api("/task_runs/filter", {**this_run, "sort": "EXPECTED_START_TIME_ASC"})
        },
        artifacts={row["key"]: row for row in served.api("/artifacts/latest/filter", this_run)},
        logs="\n".join(row["message"] for row in logs),
        levels={row["message"]: row["level"] for row in logs},
    )


def _wait_for_logs() -> None:
    """Wait until the server has all logs; they arrive in batches, the last one after the end of the run."""
    time.sleep(3)


@pytest.mark.smoke
def test_a_run_executes_all_stages_in_order_to_completed(promoted):
    assert (promoted.exit_code, promoted.state["type"], promoted.state["name"]) == (0, "COMPLETED", "Completed")
    assert list(promoted.tasks) == list(STAGES)
    assert "packaged: mini:1" in promoted.logs


def test_a_run_publishes_what_its_stages_wrote(promoted):
    assert set(promoted.artifacts) == {
        *("sources", "data-report", "data-funnel", "score-table", "verdict", "pages", "package")
    }
    funnel = json.loads(promoted.artifacts["data-funnel"]["data"])
    assert [row["count"] for row in funnel] == [13, 12, 10, 8, 2, 0]
    assert funnel[2]["reasons"] == "blank_output 2"
    assert "| blank_output | 2 |" in promoted.artifacts["data-report"]["data"]
    assert "| train | 8 |" in promoted.artifacts["data-report"]["data"]
    assert json.loads(promoted.artifacts["score-table"]["data"])[0]["tuned"] == "1.000"
    assert "# Verdict: promote" in promoted.artifacts["verdict"]["data"]


def test_a_run_has_a_name_with_profile_and_commit_and_its_log_has_levels(promoted, served):
    commit = served.git("rev-list", "--max-parents=1", "--reverse", "HEAD").split()[0]
    assert promoted.name == f"instruction-tuning params-{commit[:7]}"
    assert promoted.levels["a row without an answer"] == logging.WARNING
    assert promoted.levels["Running stage 'ingest':"] == logging.INFO


def test_a_run_leaves_an_experiment_and_the_working_tree_as_it_was(promoted, served):
    assert served.git("status", "--porcelain") == ""
    assert not (served.project / "artifacts").exists()
    assert len(served.git("worktree", "list").splitlines()) == 1
    name = re.search(r"dvc exp apply (\S+),", promoted.logs)[1]
    reference = served.git("for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}")
    assert "dvc.lock" in served.git("ls-tree", "--name-only", reference).split()


def test_a_second_run_takes_its_results_from_the_cache_and_the_form_sets_parameters(promoted, good):
    ran = good.read_commands()
    again = _run(good, overrides=["train.rank=4"], profile="scratch")
    assert again.state["name"] == "Completed"
    assert "train.rank: 16 -> 4" in again.logs
    assert "scratch-" in again.name
    assert good.read_commands() == ran


def test_a_dry_run_says_what_dvc_would_run_and_runs_nothing(promoted, good):
    ran = good.read_commands()
    run = _run(good, dry_run=True, overrides=["train.rank=8"], to_stage="train")
    assert (run.state["type"], run.state["name"]) == ("COMPLETED", "DryRun")
    assert set(run.artifacts) == {"plan"}
    assert "| train.rank | 16 | 8 |" in run.artifacts["plan"]["data"]
    assert good.read_commands() == ran


def test_a_parameter_that_cannot_be_used_fails_the_run_with_its_place(promoted, good):
    run = _run(good, overrides=["train.rank=-4"])
    assert run.state["type"] == "FAILED"
    assert "train.rank" in run.state["message"]
    assert not run.tasks


def test_a_rejected_model_ends_as_completed_named_rejected_and_is_not_packaged(served):
    served.set_mode("reject")
    packaged = served.read_commands().count("package")
    run = _run(served)
    assert (run.exit_code, run.state["type"], run.state["name"]) == (0, "COMPLETED", "Rejected")
    assert "accuracy 0.950" in run.state["message"]
    assert "package" not in run.tasks
    assert served.read_commands().count("package") == packaged


def test_a_refused_input_fails_the_run_with_the_stages_message_and_no_retry(served):
    served.set_mode("fail")
    tried = served.read_commands().count("base")
    run = _run(served)
    assert (run.exit_code, run.state["type"]) == (1, "FAILED")
    assert "seodang: source.json, 3행: 따옴표가 없습니다\nfix the line and run again" in run.state["message"]
    assert "seodang: source.json, 3행" in run.logs
    assert "seodang: source.json, 3행" in run.watched
    assert served.read_commands().count("base") == tried + 1
    assert set(run.tasks) == {"inputs", "base"}


def test_cancelling_a_run_ends_its_stage(served):
    served.set_mode("hang")
    pid_file = served.notes / "hanging.pid"
    deployment = served.api("/deployments/name/instruction-tuning/local")
    run_id = served.api(f"/deployments/{deployment['id']}/create_flow_run", {})["id"]
    _wait_for(pid_file.exists)
    assert served.prefect("flow-run", "cancel", run_id).returncode == 0
    _wait_for(lambda: not _is_alive(int(pid_file.read_text())))
    _wait_for(lambda: served.api(f"/flow_runs/{run_id}")["state"]["type"] == "CANCELLED")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not met within {PATIENCE} s"
        time.sleep(0.5)
