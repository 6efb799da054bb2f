"""Kills, cancels and restarts of a real Prefect server and a process worker: no run stays Running, no slot is lost.

Run alone: .venv/bin/python -m pytest -n 0 tests/flows/test_dead_runs.py
"""

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.flows.prefect_processes import wait_for
from tests.flows.reliability import AUTOMATIONS, FINAL, Scene, build_scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
_STAGES = ("base", "ingest", "validate", "prepare", "train", "evaluate", "gate", "package")
_NEVER_STARTED, _SILENT = AUTOMATIONS
_DEAD_RUNS = 20


@pytest.fixture(scope="module")
def whole_scene(tmp_path_factory, make_miniature) -> Iterator[Scene]:
    scene = build_scene(tmp_path_factory.mktemp("dead-runs"), make_miniature)
    try:
        scene.server.start()
        scene.deploy("local", "split")
        yield scene
    finally:
        scene.worker.stop()
        scene.server.stop()


@pytest.fixture
def scene(whole_scene: Scene) -> Iterator[Scene]:
    """The scene with a server and a worker; no stage is held afterwards."""
    whole_scene.server.ensure()
    whole_scene.worker.ensure()
    yield whole_scene
    for file in whole_scene.notes.glob("hold-*"):
        file.unlink()


@pytest.fixture(scope="module")
def cut_run(whole_scene: Scene) -> str:
    """A run that a power cut ended in mid-training: no process of it, of the worker or of the server was left."""
    whole_scene.server.ensure()
    whole_scene.worker.ensure()
    run = whole_scene.start_held("train", "split", train_deployment="")
    whole_scene.worker.kill_tree()
    whole_scene.server.kill_tree()
    whole_scene.release("train")
    assert not whole_scene.list_stage_processes()
    whole_scene.server.start()
    assert (whole_scene.get_state(run)["type"], whole_scene.count_slots("split")) == ("RUNNING", 1)
    return run


def test_a_cancelled_run_leaves_no_process_and_no_slot_in_any_stage(scene, cut_run):
    for stage in _STAGES:
        run = scene.start_held(stage)
        started = time.monotonic()
        scene.set_state(run, "CANCELLING")
        assert scene.wait_until_final(run)["type"] == "CANCELLED"
        assert not scene.list_stage_processes()
        assert scene.count_slots() == 0  # so the run of the next stage may start at once
        assert time.monotonic() - started < scene.allow(30)
        scene.release(stage)


def test_a_run_that_a_power_cut_ended_is_found_dead_when_a_worker_starts(scene, cut_run):
    state = scene.wait_until_final(cut_run)
    assert state["type"] == "CRASHED"
    assert state["message"].startswith("The process of the run is gone")  # by its lock, or by its missing signs of life
    assert scene.count_slots("split") == 0


def test_a_run_without_signs_of_life_is_crashed_and_a_living_one_is_not(scene):
    living = scene.start_held("train", place="living")
    dead = scene.start_run("split")
    scene.set_state(dead, "RUNNING", force=True)  # on another machine, which then lost its power
    with scene.hurry(_SILENT, 10):  # less than the interval of heartbeats: both fall silent
        scene.set_parameters("end-dead-runs/local", {"answer_seconds": 40})
        scene.set_state(dead, "RUNNING", force=True)
        assert scene.wait_until_final(dead)["message"] == "The process of the run is gone: no sign of life."
    assert scene.get_state(living)["type"] == "RUNNING"
    scene.release("living")
    assert scene.wait_until_final(living)["name"] == "Completed"
    assert scene.read_history(living)[-2:] == ["Running", "Completed"]


def test_a_run_whose_worker_is_killed_crashes_and_the_next_one_ends_with_the_same_adapter(scene):
    run = scene.start_held("train")
    scene.worker.kill()
    killed = time.monotonic()
    assert scene.wait_until_final(run)["type"] == "CRASHED"
    assert scene.count_slots() == 0
    wait_for(lambda: not scene.list_stage_processes())
    scene.release("train")
    scene.worker.start()
    resumed, trained = scene.count_resumed(), len(scene.read_adapters())
    following = scene.start_run(from_stage="train", to_stage="train")
    wait_for(lambda: scene.get_state(following)["type"] in ("RUNNING", *FINAL))
    assert time.monotonic() - killed < scene.allow(60)
    assert scene.wait_until_final(following)["name"] == "Completed"
    assert scene.count_resumed() == resumed + 1
    assert scene.read_adapters()[trained:] == scene.read_adapters()[:1]  # the first one is of `dvc repro`


def test_a_killed_stage_ends_its_run_with_the_reason_in_words(scene):
    run = scene.start_held("evaluate")
    (stage,) = scene.list_stage_processes()
    os.kill(stage, signal.SIGKILL)
    state = scene.wait_until_final(run)
    assert state["type"] == "FAILED"
    assert "stage evaluate was killed (signal 9), probably because the memory ran out" in state["message"]


def test_a_crashed_run_whose_process_lives_neither_packages_nor_completes(scene):
    run = scene.start_held("report", to_stage="package")
    packaged = scene.read_commands().count("package")
    scene.set_state(run, "CRASHED", force=True)
    scene.release("report")
    wait_for(lambda: not scene.list_worktrees())
    assert scene.get_state(run)["type"] == "CRASHED"
    assert scene.read_commands().count("package") == packaged
    assert not scene.git("for-each-ref", f"refs/exps/*/*/*-{run[:8]}")


def test_runs_that_wait_for_the_limit_start_in_turn_and_a_cancelled_one_holds_no_slot(scene):
    first = scene.start_held("ingest")
    waiting = [scene.start_run(from_stage="inputs", to_stage="inputs") for _ in range(2)]
    wait_for(lambda: all(scene.get_state(run)["name"] == "AwaitingConcurrencySlot" for run in waiting))
    scene.set_state(waiting[0], "CANCELLING")
    assert scene.wait_until_final(waiting[0])["type"] == "CANCELLED"
    assert scene.count_slots() == 1
    scene.release("ingest")
    assert [scene.wait_until_final(run)["type"] for run in (first, waiting[1])] == ["COMPLETED", "COMPLETED"]
    assert scene.count_slots() == 0


def test_runs_whose_worker_died_before_they_started_give_their_slots_back(scene, cut_run):
    scene.wait_until_final(cut_run)
    found = scene.api("/deployments/name/instruction-tuning/split")
    with scene.hurry(_NEVER_STARTED, 10):
        killed = scene.start_run("split", from_stage="inputs", to_stage="inputs")
        wait_for(lambda: scene.get_state(killed)["type"] != "SCHEDULED")
        scene.worker.kill()
        scene.wait_until_final(killed)  # the process was started and ends by itself, or it was not and is found dead
        assert scene.count_slots("split") == 0
        scene.set_limit(found["id"], _DEAD_RUNS)
        runs = [scene.start_run("split") for _ in range(_DEAD_RUNS)]
        for run in runs:  # as a worker does that dies afterwards
            assert scene.set_state(run, "PENDING")["status"] == "ACCEPT"
        assert scene.count_slots("split") == _DEAD_RUNS
        assert {scene.wait_until_final(run)["type"] for run in runs} == {"CRASHED"}
        assert scene.count_slots("split") == 0
        scene.set_limit(found["id"], 1)


def test_a_run_that_never_started_is_found_although_the_server_lost_its_event(scene, cut_run):
    scene.wait_until_final(cut_run)
    scene.worker.kill()
    lost = scene.start_run("split")
    assert scene.set_state(lost, "PENDING")["status"] == "ACCEPT"
    wait_for(lambda: scene.lose_buckets(lost))
    with scene.hurry(_NEVER_STARTED, 10):  # the minimum
        wait_for(lambda: scene.get_age(lost) > 10)
        scene.worker.start()
        sweep = scene.api("/deployments/name/end-dead-runs/local")
        scene.api(f"/deployments/{sweep['id']}/create_flow_run", {})  # as its schedule does every 15 minutes
        assert scene.wait_until_final(lost)["message"] == "A worker took the run and did not start it."
    assert scene.count_slots("split") == 0


def test_a_server_that_is_away_in_mid_training_ends_no_run(scene):
    run = scene.start_held("train", place="away")
    with scene.hurry(_SILENT, 10):
        scene.server.kill_tree()
        time.sleep(12)  # an empty wait: the server is away for longer than a run may be silent
        trained = len(scene.read_adapters())
        scene.release("away")  # the training ends without a server
        wait_for(lambda: len(scene.read_adapters()) > trained)
        scene.server.start()
        assert scene.wait_until_final(run)["name"] == "Completed"
    assert "Crashed" not in scene.read_history(run)
    assert scene.read_adapters()[trained:] == scene.read_adapters()[:1]


def test_one_run_makes_up_for_three_scheduled_times_without_a_server(scene, cut_run):
    scene.wait_until_final(cut_run)
    start = schedule_three_runs(scene, "split")
    scene.server.kill_tree()
    wait_for(lambda: datetime.now(UTC) > start + timedelta(seconds=3))
    scene.server.start()
    wait_for(lambda: all(row["state"]["type"] in FINAL for row in list_scheduled(scene, "split", start)))
    names = [row["state"]["name"] for row in list_scheduled(scene, "split", start)]
    assert names == ["Skipped", "Skipped", "Completed"]


def schedule_three_runs(scene: Scene, name: str) -> datetime:
    """Schedule three runs one second apart; return the time of the first, which has not come yet.

    A busy server may need longer to create them than there is time: then they get more of it.
    """
    deployment = scene.api(f"/deployments/name/instruction-tuning/{name}")
    for seconds in (20, 60, 180, 540):
        start = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
        rule = f"DTSTART:{start:%Y%m%dT%H%M%SZ}\nRRULE:FREQ=SECONDLY;COUNT=3"
        schedule = {"schedule": {"rrule": rule}, "active": True, "parameters": {"run": {"to_stage": "inputs"}}}
        scene.api(f"/deployments/{deployment['id']}/schedules", [schedule])
        while datetime.now(UTC) < start - timedelta(seconds=5):
            if len(list_scheduled(scene, name, start)) == 3:
                return start
            time.sleep(0.5)
    pytest.fail("the server created no scheduled runs")


def list_scheduled(scene: Scene, name: str, start: datetime) -> list[dict]:
    deployment = scene.api(f"/deployments/name/instruction-tuning/{name}")
    due = {"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"}
    rows = [row for row in scene.api("/flow_runs/filter", due) if row["auto_scheduled"]]
    return [row for row in rows if datetime.fromisoformat(row["expected_start_time"]) >= start]
