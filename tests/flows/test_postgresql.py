"""A Prefect server on PostgreSQL with two workers, as docs/prefect.md describes it; all processes are real.

Run alone: .venv/bin/python -m pytest -n 0 tests/flows/test_postgresql.py
"""

from collections.abc import Iterator

import pytest
from tests.flows.postgresql_process import Database, run_database
from tests.flows.prefect_processes import wait_for
from tests.flows.reliability import Scene, Service, build_scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
_PLACES = ("first", "second")  # where the runs wait


@pytest.fixture
def database() -> Iterator[Database]:
    with run_database() as database:
        yield database


@pytest.fixture
def scene(database, tmp_path, make_miniature) -> Iterator[Scene]:
    """A Prefect server that keeps its records in the database, and no worker."""
    scene = build_scene(tmp_path, make_miniature)
    scene.server.env["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database.url
    try:
        scene.server.start()
        scene.deploy("local")
        yield scene
    finally:
        scene.server.stop()


@pytest.fixture
def workers(scene) -> Iterator[list[Service]]:
    """Two workers of one pool, each with one run at a time."""
    template = scene.worker
    workers = [
        Service([*template.command, "--limit", "1"], template.cwd, template.env, scene.notes / name, template.is_ready)
        for name in ("worker1.log", "worker2.log")
    ]
    try:
        for worker in workers:
            worker.start()
        yield workers
    finally:
        for worker in workers:
            worker.stop()


def test_two_workers_share_the_runs_and_postgresql_has_the_records(scene, workers, database):
    found = scene.api("/deployments/name/instruction-tuning/local")
    scene.set_limit(found["id"], 2)
    runs = [start_run(scene, place) for place in _PLACES]
    for place in _PLACES:
        scene.wait_until_held(place)  # then each worker has one
    assert scene.count_slots() == 2
    workers[0].kill()
    wait_for(lambda: "CRASHED" in [scene.get_state(run)["type"] for run in runs])
    assert scene.count_slots() == 1
    for place in _PLACES:
        scene.release(place)
    assert sorted(scene.wait_until_final(run)["type"] for run in runs) == ["COMPLETED", "CRASHED"]
    assert scene.count_slots() == 0
    rows = "SELECT state_type, count(*) FROM flow_run WHERE name LIKE 'instruction-tuning %' GROUP BY 1 ORDER BY 1"
    assert database.query(rows).split() == ["COMPLETED|1", "CRASHED|1"]
    assert not list(scene.server.log.parent.glob("server/*.db"))  # nothing went into SQLite


def start_run(scene: Scene, place: str) -> str:
    """Start a run of the stage ingest that waits; return its id. It pins its commit, so that others may follow."""
    scene.hold(place)
    scene.repeat("ingest", place)
    commit = scene.git("rev-parse", "HEAD")
    return scene.start_run(revision=commit, from_stage="ingest", to_stage="ingest")
