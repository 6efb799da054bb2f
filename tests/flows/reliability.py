"""A miniature whose stages can be held and killed, and a Prefect server and a worker that can be killed and restarted.

The stage `train` fits a model of eight numbers, step by step, with a checkpoint after each step, as real training does.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil
from flows.process_guard import guard_process
from flows.settings import SERVER
from tests.constants import ROOT
from tests.flows.prefect_processes import (
    AUTHOR,
    BIN,
    PATIENCE,
    STAGE_SCRIPT,
    answers,
    build_client_environment,
    call_api,
    commit_all,
    find_free_port,
    wait_for,
)

from seodang.config.yaml_file import read_yaml

# Before the script of the miniature: write the process id, wait while a file is there, train.
HELD_STAGE = """
import hashlib, json, os, pathlib, sys, time
name, notes = sys.argv[1], pathlib.Path(os.environ["NOTES"])
with open(notes / "pids.txt", "a") as file:
    print(name, os.getpid(), file=file)
def hold(place):
    while (notes / f"hold-{place}").exists():
        (notes / f"held-{place}").touch()
        time.sleep(0.05)
place = (pathlib.Path("again", f"{name}.txt").read_text().split() or [name])[-1]
if name != "train":
    hold(place)
else:
    checkpoint = pathlib.Path(".seodang/training/checkpoint.json")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    model = {"step": 0, "weights": [0.0] * 8, "speed": [0.0] * 8}
    if checkpoint.is_file():
        model = json.loads(checkpoint.read_text())
        with open(notes / "resumed.txt", "a") as file:
            print(model["step"], file=file)
    for step in range(model["step"], 20):
        if step == 10:
            hold(place)
        errors = [weight - (number + step % 3) for number, weight in enumerate(model["weights"])]
        model["speed"] = [0.9 * speed - 0.01 * error for speed, error in zip(model["speed"], errors)]
        model["weights"] = [weight + speed for weight, speed in zip(model["weights"], model["speed"])]
        model["step"] = step + 1
        checkpoint.with_suffix(".tmp").write_text(json.dumps(model))
        checkpoint.with_suffix(".tmp").rename(checkpoint)
    with open(notes / "adapters.txt", "a") as file:
        print(hashlib.sha256(json.dumps(model["weights"]).encode()).hexdigest(), file=file)
    checkpoint.unlink()
"""
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
AUTOMATIONS = ("seodang: run that never started", "seodang: silent run")


def make_reliability_project(project: Path, make_miniature: Callable[[Path], Path], env: dict[str, str]) -> None:
    """Make the project; all stages have run, and each runs again when its file in `again` changes."""
    make_miniature(project)
    (project / "stage.py").write_text(HELD_STAGE + STAGE_SCRIPT, "utf-8")
    pipeline = read_yaml(project / "dvc.yaml")
    (project / "again").mkdir()
    for name, stage in pipeline["stages"].items():
        stage["deps"].append(f"again/{name}.txt")
        (project / "again" / f"{name}.txt").touch()
    (project / "dvc.yaml").write_text(json.dumps(pipeline))
    for name in ("flows", "src"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prefect.yaml", project)
    done = subprocess.run(
        [BIN / "dvc", "repro", "-q"], cwd=project, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    commit_all(project, "all stages have run")


@dataclass
class Service:
    """A process that can be killed and started again."""

    command: list[str]
    cwd: Path
    env: dict[str, str]
    log: Path
    is_ready: Callable[[], bool]
    _process: psutil.Process | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        output = self._stack.enter_context(self.log.open("a"))
        guard = self._stack.enter_context(guard_process(self.command, cwd=self.cwd, env=self.env, output=output))
        wait_for(lambda: psutil.Process(guard.pid).children())
        (self._process,) = psutil.Process(guard.pid).children()
        wait_for(lambda: not self._is_running() or self.is_ready())
        assert self._is_running(), self.log.read_text()

    def kill(self) -> None:
        """End the process by SIGKILL; its children live on."""
        assert self._process is not None
        self._process.kill()
        self.stop()

    def kill_tree(self) -> None:
        """End the process and all that it has started by SIGKILL, as a power cut does."""
        assert self._process is not None
        for process in (self._process, *self._process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.stop()

    def stop(self) -> None:
        self._stack.close()

    def ensure(self) -> None:
        if not self._is_running():
            self.start()

    def _is_running(self) -> bool:
        return self._process is not None and _is_alive(self._process.pid)


@dataclass
class Scene:
    """A project, a Prefect server and a worker."""

    project: Path
    url: str
    env: dict[str, str]
    server: Service
    worker: Service
    start_seconds: float = 0.0
    """How long the latest run took to reach its stage: the measure of a busy machine."""

    @property
    def notes(self) -> Path:
        return Path(self.env["NOTES"])

    def api(self, path: str, body: object = None, method: str | None = None) -> object:
        """Return the answer of the server, as call_api does; ask again while a busy server's database is locked.

        A question that changes nothing is asked again as well when no answer came in time.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return call_api(self.url, path, body, method)
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > deadline:
                    raise
            except TimeoutError:
                if body is not None or method is not None or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def deploy(self, *names: str) -> None:
        command = [sys.executable, "-m", "flows.deploy", *names]
        done = subprocess.run(
            command, cwd=self.project, env=self.env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def repeat(self, stage: str, place: str | None = None) -> None:
        """Let a stage run again: commit a change of its file. The stage waits while `place` is held."""
        with (self.project / "again" / f"{stage}.txt").open("a") as file:
            file.write(f"{place or stage}\n")
        subprocess.run(["git", *AUTHOR, "commit", "-q", "-a", "-m", stage], cwd=self.project, check=True)

    def hold(self, place: str) -> None:
        (self.notes / f"held-{place}").unlink(missing_ok=True)
        (self.notes / f"hold-{place}").touch()

    def release(self, place: str) -> None:
        (self.notes / f"hold-{place}").unlink(missing_ok=True)

    def wait_until_held(self, place: str) -> None:
        wait_for((self.notes / f"held-{place}").exists)

    def start_run(self, deployment: str = "local", **run: object) -> str:
        """Ask for a run of the deployment of `instruction-tuning`; return its id."""
        found = self.api(f"/deployments/name/instruction-tuning/{deployment}")
        return self.api(f"/deployments/{found['id']}/create_flow_run", {"parameters": {"run": run}})["id"]

    def start_held(self, stage: str, deployment: str = "local", place: str | None = None, **run: object) -> str:
        """Start a run of one stage, whose results are out of date; return its id when the stage waits."""
        started = time.monotonic()
        self.hold(place or stage)
        self.repeat(stage, place)
        run_id = self.start_run(deployment, **{"from_stage": stage, "to_stage": stage, **run})
        self.wait_until_held(place or stage)
        self.start_seconds = time.monotonic() - started
        return run_id

    def get_state(self, run: str) -> dict:
        return self.api(f"/flow_runs/{run}")["state"]

    def get_age(self, run: str) -> float:
        """Return how many seconds a run has been in its state."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.get_state(run)["timestamp"])).total_seconds()

    def set_state(self, run: str, kind: str, *, force: bool = False) -> dict:
        return self.api(f"/flow_runs/{run}/set_state", {"state": {"type": kind}, "force": force})

    def allow(self, seconds: float) -> float:
        """Return a limit for a quiet machine, stretched on one that is busy."""
        return max(seconds, 4 * self.start_seconds)

    def read_history(self, run: str) -> list[str]:
        """Return the names of the states that a run has had, in order."""
        states = self.api(f"/flow_run_states/?flow_run_id={run}")
        return [state["name"] for state in sorted(states, key=lambda state: state["timestamp"])]

    def set_threshold(self, automation: str, seconds: float) -> float:
        """Change how long an automation waits; return how long it waited."""
        everything = self.api("/automations/filter", {})
        (found,) = [each for each in everything if each["name"] == automation]
        before, found["trigger"]["within"] = found["trigger"]["within"], seconds
        parts = ("name", "description", "enabled", "tags", "trigger", "actions")
        self.api(f"/automations/{found['id']}", {name: found[name] for name in parts}, "PUT")
        return float(before)

    @contextmanager
    def hurry(self, automation: str, seconds: float) -> Iterator[None]:
        """Let an automation wait so long, as before afterwards: a test that fails here lets no other one fail."""
        before = self.set_threshold(automation, seconds)
        try:
            yield
        finally:
            self.set_threshold(automation, before)

    def wait_until_final(self, run: str) -> dict:
        wait_for(lambda: self.get_state(run)["type"] in FINAL)
        return self.get_state(run)

    def count_slots(self, deployment: str = "local") -> int:
        """Return how many slots of the deployment's limit are taken."""
        found = self.api(f"/deployments/name/instruction-tuning/{deployment}")
        return found["global_concurrency_limit"]["active_slots"]

    def list_stage_processes(self) -> list[int]:
        """Return the processes of stages that still run."""
        lines = (self.notes / "pids.txt").read_text().splitlines()
        pids = [int(line.split()[1]) for line in lines]
        return [pid for pid in pids if _is_alive(pid)]

    def read_adapters(self) -> list[str]:
        """Return the hashes of the adapters that training wrote, in order."""
        return (self.notes / "adapters.txt").read_text().split()

    def count_resumed(self) -> int:
        """Return how many trainings began with a checkpoint."""
        file = self.notes / "resumed.txt"
        return len(file.read_text().split()) if file.exists() else 0

    def read_commands(self) -> list[str]:
        """Return the stages whose command ran, in order."""
        return (self.notes / "commands.txt").read_text().split()

    def list_worktrees(self) -> list[str]:
        return [path.name for path in (self.project / ".seodang" / "runs").glob("*/")]

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.project, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def lose_buckets(self, run: str) -> int:
        """Delete what automations wait for of a run, as a busy server's tidying does; return how many they were."""
        with (
            closing(sqlite3.connect(self.server.cwd / "server" / "prefect.db", timeout=PATIENCE)) as database,
            database,
        ):
            return database.execute("DELETE FROM automation_bucket WHERE bucketing_key LIKE ?", [f"%{run}%"]).rowcount

    def set_limit(self, deployment: str, limit: int) -> None:
        self.api(f"/deployments/{deployment}", {"concurrency_limit": limit}, "PATCH")

    def set_parameters(self, deployment: str, parameters: dict) -> None:
        found = self.api(f"/deployments/name/{deployment}")
        self.api(f"/deployments/{found['id']}", {"parameters": parameters}, "PATCH")

    def read_logs(self, run: str) -> str:
        rows = self.api("/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"})
        return "\n".join(row["message"] for row in rows)


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def build_scene(folder: Path, make_miniature: Callable[[Path], Path]) -> Scene:
    """Return a scene whose server and worker are not started yet."""
    port = find_free_port()
    url = f"http://127.0.0.1:{port}/api"
    project = folder / "project"
    (folder / "notes").mkdir()
    env = build_client_environment(url, folder / "client", folder / "notes") | {
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PYTHONPATH": f"{project / 'src'}{os.pathsep}{project}",
    }
    make_reliability_project(project, make_miniature, env)
    server_env = {
        **env,
        **SERVER,
        "PREFECT_HOME": str(folder / "server"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    }
    command = [sys.executable, "-m", "prefect"]
    server = Service(
        [*command, "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        *(folder, server_env, folder / "server.log", lambda: answers(url)),
    )
    worker_log = folder / "worker.log"
    worker = Service([*command, "worker", "start", "--pool", "seodang"], project, env, worker_log, lambda: True)
    return Scene(project, url, env, server, worker)
