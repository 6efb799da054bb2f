"""The flow against a real Prefect server, through flows/serve.py and Prefect's own command line.

The project is a miniature with the names of all stages and no model, so git, DVC and Prefect are real and quick. Each
run works in a worktree of its own, so the stages write their notes into the folder NOTES.
Run alone: .venv/bin/python -m pytest tests/flows/test_instruction_tuning.py
"""

import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flows.process_guard import guard_process
from tests.constants import ROOT
from tests.flows.prefect_processes import (
    AUTHOR,
    BIN,
    PATIENCE,
    build_client_environment,
    call_api,
    find_free_port,
    is_alive,
    wait_for,
)

from seodang.stages import STAGES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass(frozen=True)
class Served:
    """A miniature project whose deployment is served."""

    project: Path
    url: str
    env: dict[str, str]

    def api(self, path: str, body: object = None) -> object:
        """Return the answer of the server's API: POST with a body, GET without."""
        return call_api(self.url, path, body)

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
        done = subprocess.run(["git", *AUTHOR, *words], cwd=self.project, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def find_experiment(self, name: str) -> str:
        """Return the reference of a DVC experiment."""
        return self.git("for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}")

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
def served(tmp_path_factory, make_miniature) -> Iterator[Served]:
    project = make_miniature(tmp_path_factory.mktemp("miniature"))
    port = find_free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = build_client_environment(url, project / ".seodang" / "client", tmp_path_factory.mktemp("notes"))
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
    wait_for(lambda: served.api(f"/flow_runs/{run_id}")["state"]["type"] in FINAL)  # --watch may lose its connection
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
    assert json.loads(promoted.artifacts["sources"]["data"])[0]["source"] == "&lt;b&gt;own&lt;/b&gt;"
    assert "| blank_output | 2 |" in promoted.artifacts["data-report"]["data"]
    assert "| train | 8 |" in promoted.artifacts["data-report"]["data"]
    (score,) = json.loads(promoted.artifacts["score-table"]["data"])
    assert list(score.values())[2:5] == ["0.000", "1.000", "1.000 (1.000 … 1.000)"]
    assert score["best prompt of the base"] == r"zero_shot/&lt;i&gt;"
    assert "# Verdict: promote" in promoted.artifacts["verdict"]["data"]


def test_a_run_has_a_name_with_profile_and_commit_and_its_log_has_levels(promoted, served):
    commit = re.search(r"commit (\w{40}), worktree", promoted.logs)[1]
    assert commit in served.git("rev-list", "HEAD").split()
    assert promoted.name == f"instruction-tuning params-{commit[:7]}"
    assert promoted.levels["a row without an answer"] == logging.WARNING
    assert promoted.levels["Running stage 'ingest':"] == logging.INFO


def test_a_run_leaves_an_experiment_and_the_working_tree_as_it_was(promoted, served):
    assert served.git("status", "--porcelain") == ""
    assert not (served.project / "artifacts").exists()
    assert len(served.git("worktree", "list").splitlines()) == 1
    name = re.search(r"dvc exp apply (\S+),", promoted.logs)[1]
    assert "dvc.lock" in served.git("ls-tree", "--name-only", served.find_experiment(name)).split()


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
    kept = Path(re.search(r"what base wrote before it failed: (.*)", run.logs)[1])
    assert json.loads((kept / "artifacts" / "base" / "report.json").read_text()) == {"rows": "refused"}
    name = re.search(r"the stages before base are saved: DVC experiment (\S+);", run.logs)[1]
    assert "cmd: python stage.py inputs" in served.git("show", f"{served.find_experiment(name)}:dvc.lock")


def test_cancelling_a_run_ends_its_stage_and_the_next_run_finds_no_worktree(served):
    served.set_mode("hang")
    pid_file = served.notes / "hanging.pid"
    deployment = served.api("/deployments/name/instruction-tuning/local")
    run_id = served.api(f"/deployments/{deployment['id']}/create_flow_run", {})["id"]
    wait_for(pid_file.exists)
    assert served.prefect("flow-run", "cancel", run_id).returncode == 0
    wait_for(lambda: not is_alive(int(pid_file.read_text())))
    wait_for(lambda: served.api(f"/flow_runs/{run_id}")["state"]["type"] == "CANCELLED")
    served.set_mode("promote")
    assert _run(served, dry_run=True).state["name"] == "DryRun"
    assert not list((served.project / ".seodang" / "runs").glob("*/"))
    assert len(served.git("worktree", "list").splitlines()) == 1
