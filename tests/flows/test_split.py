"""Deployments of prefect.yaml on a real server: two process workers, two clones, one DVC remote.

Run alone: .venv/bin/python -m pytest -n 0 tests/flows/test_split.py
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flows.process_guard import guard_process
from tests.constants import ROOT
from tests.flows.prefect_processes import BIN, PATIENCE, call_api, commit_all, is_alive, wait_for

from seodang.stages import STAGES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(frozen=True)
class Clones:
    """Two clones of one repository with one DVC remote, as on two machines."""

    cpu: Path
    gpu: Path


@pytest.fixture(scope="module")
def clones(tmp_path_factory, make_miniature, prefect_server) -> Clones:
    folder = tmp_path_factory.mktemp("machines")
    source = make_miniature(folder / "source")
    for name in ("flows", "src"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prefect.yaml", source)
    dvc = [BIN / "dvc", "remote", "add", "--default", "storage", folder / "storage"]
    subprocess.run(dvc, cwd=source, env=prefect_server.env, check=True, capture_output=True)
    commit_all(source, "flows")
    subprocess.run(["git", "clone", "-q", "--bare", source, folder / "origin.git"], check=True)
    for name in ("cpu", "gpu"):
        subprocess.run(["git", "clone", "-q", folder / "origin.git", folder / name], check=True)
    return Clones(folder / "cpu", folder / "gpu")


def deploy(server, project: Path, *names: str) -> None:
    command = [sys.executable, "-m", "flows.deploy", *names]
    done = subprocess.run(
        command, cwd=project, env=server.env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def workers(prefect_server, clones, tmp_path_factory) -> Iterator[None]:
    """A process worker in each clone."""
    logs = tmp_path_factory.mktemp("workers")
    deploy(prefect_server, clones.cpu, "split")
    deploy(prefect_server, clones.gpu, "gpu")
    with ExitStack() as stack:
        for project, pool in ((clones.cpu, "seodang"), (clones.gpu, "seodang-gpu")):
            log = stack.enter_context((logs / f"{pool}.log").open("w"))
            command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool]
            stack.enter_context(guard_process(command, cwd=project, env=prefect_server.env, output=log))
        yield


@pytest.fixture(scope="module")
def watch_deployment(prefect_server, clones) -> dict[str, Any]:
    """The deployment `watch-sources/watch`, deployed three times; its schedule is paused once it has made a run."""
    for _ in range(3):
        deploy(prefect_server, clones.cpu, "watch")
    watch = prefect_server.api("/deployments/name/watch-sources/watch")
    # An unfit SQLAlchemy lets the scheduler of the server fail, and only its log says so.
    of_watch = {"flow_runs": {"deployment_id": {"any_": [watch["id"]]}}}
    wait_for(lambda: prefect_server.api("/flow_runs/filter", of_watch))
    subprocess.run(
        [BIN / "prefect", "deployment", "schedule", "pause", "watch-sources/watch", watch["schedules"][0]["id"]],
        env=prefect_server.env,
        check=True,
        capture_output=True,
    )
    return watch


def test_deploying_three_times_leaves_one_schedule_and_one_automation_of_each_name(prefect_server, watch_deployment):
    assert [one["schedule"]["interval"] for one in watch_deployment["schedules"]] == [30.0]
    names = [each["name"] for each in prefect_server.api("/automations/filter", {})]
    assert names.count("seodang: run that never started") == 1
    assert len(names) == 2  # the other one starts a run when data changed


WATCH = """
import sys
from pathlib import Path
from flows.watch_sources import watch_sources
project = Path(sys.argv[1])
for answer in ("b", "c"):
    (project / "data" / "rows.jsonl").write_text('{"instruction": "a", "output": "%s"}' % answer)
    watch_sources(str(project), 0)
"""


def test_changed_data_send_one_event_to_the_server_which_starts_one_run(
    prefect_server, clones, watch_deployment, tmp_path
):
    (tmp_path / "data").mkdir()
    shutil.copy(clones.cpu / "params.yaml", tmp_path)
    command = [sys.executable, "-c", WATCH, tmp_path]
    subprocess.run(command, env=prefect_server.env, check=True, capture_output=True, timeout=PATIENCE)
    started = prefect_server.api("/deployments/name/instruction-tuning/watch")
    of_deployment = {"flow_runs": {"deployment_id": {"any_": [started["id"]]}}}
    wait_for(lambda: prefect_server.api("/flow_runs/filter", of_deployment))
    (run,) = prefect_server.api("/flow_runs/filter", of_deployment)
    call_api(prefect_server.url, f"/flow_runs/{run['id']}", method="DELETE")  # the workers of other tests would run it
    assert run["parameters"]["run"]["include_changes"] is True
    changes = {"filter": {"event": {"name": ["seodang.sources.changed"]}}}
    wait_for(lambda: prefect_server.api("/events/filter", changes)["events"])  # the server stores events in batches
    events = prefect_server.api("/events/filter", changes)["events"]
    assert [event["payload"] for event in events] == [{"files": ["data/rows.jsonl"], "count": 1}]


def test_training_elsewhere_hands_over_through_the_remotes(prefect_server, clones, workers):
    deployment = prefect_server.api("/deployments/name/instruction-tuning/split")
    run_id = prefect_server.api(f"/deployments/{deployment['id']}/create_flow_run", {})["id"]
    wait_for(lambda: prefect_server.api(f"/flow_runs/{run_id}")["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED"))
    state = prefect_server.api(f"/flow_runs/{run_id}")["state"]
    assert state["type"] == "COMPLETED", state
    rows = [json.loads(line) for line in (prefect_server.notes / "folders.txt").read_text().splitlines()]
    places = {row["stage"]: "gpu" if Path(row["folder"]).is_relative_to(clones.gpu) else "cpu" for row in rows}
    assert places == {stage: "gpu" if stage == "train" else "cpu" for stage in STAGES}
    assert [row["stage"] for row in rows].count("train") == 1
    for clone in (clones.cpu, clones.gpu):
        status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, check=True, capture_output=True, text=True)
        assert status.stdout == ""
    assert len(prefect_server.api("/work_pools/seodang-gpu/queues/filter", {})) == 2
    assert prefect_server.api("/work_pools/seodang-gpu")["concurrency_limit"] == 1


def test_cancelling_a_run_cancels_the_training_elsewhere_that_it_waits_for(prefect_server, clones, workers):
    (clones.cpu / "mode.txt").write_text("hang in train")
    with (clones.cpu / "stage.py").open("a") as code:
        code.write("# so that no result comes from the cache\n")
    commit_all(clones.cpu, "hang in train")
    deployment = prefect_server.api("/deployments/name/instruction-tuning/split")
    run_id = prefect_server.api(f"/deployments/{deployment['id']}/create_flow_run", {})["id"]
    pid_file = prefect_server.notes / "hanging.pid"
    wait_for(pid_file.exists)
    (other,) = prefect_server.api("/flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}})
    cancel = [BIN / "prefect", "flow-run", "cancel", run_id]
    subprocess.run(cancel, env=prefect_server.env, check=True, capture_output=True)
    wait_for(lambda: prefect_server.api(f"/flow_runs/{run_id}")["state"]["type"] == "CANCELLED")
    wait_for(lambda: prefect_server.api(f"/flow_runs/{other['id']}")["state"]["type"] == "CANCELLED")
    wait_for(lambda: not is_alive(int(pid_file.read_text())))
