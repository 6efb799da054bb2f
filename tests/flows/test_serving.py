"""`make flows`: events start runs; it ends at Ctrl-C, at SIGTERM and without its server, also with a run at work.

Run alone: .venv/bin/python -m pytest -n 0 tests/flows/test_serving.py
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import psutil
import pytest
from tests.constants import ROOT
from tests.flows.prefect_processes import PATIENCE, answers, wait_for
from tests.flows.reliability import AUTOMATIONS, Scene, build_scene

from seodang.paths import Paths
from seodang.release.fall import Fall, build_event, send_event
from seodang.release.journal import create_journal, record_end

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
_BOUND_SECONDS = 60
CANARY = "seodang-canary-rollback"


@pytest.fixture(scope="module")
def project(tmp_path_factory, make_miniature) -> Scene:
    """A project whose server and worker are not used: the one that is served starts its own server."""
    return build_scene(tmp_path_factory.mktemp("serving"), make_miniature)


@pytest.fixture
def serve(project: Scene) -> Callable[..., AbstractContextManager[subprocess.Popen[bytes]]]:
    """Runs `python -m flows.serve` or another command in a session of its own while a context is open."""

    @contextmanager
    def serve_project(
        command: Sequence[str] = (sys.executable, "-m", "flows.serve"),
    ) -> Iterator[subprocess.Popen[bytes]]:
        log = project.notes / "serve.log"
        with (
            log.open("w") as output,
            subprocess.Popen(
                command,
                cwd=project.project,
                env=project.env,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=take_interrupts,
            ) as process,
        ):
            try:
                wait_for(lambda: is_served(project) or process.poll() is not None)
                assert process.poll() is None, log.read_text()
                yield process
            finally:
                process.terminate()
                process.wait(PATIENCE)

    return serve_project


def take_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background job of a shell inherits that it is ignored


def is_served(project: Scene) -> bool:
    try:
        return bool(project.api("/deployments/name/instruction-tuning/local"))
    except OSError:
        return False


def find_server(process: subprocess.Popen[bytes]) -> psutil.Process:
    children = psutil.Process(process.pid).children(recursive=True)
    return next(child for child in children if child.cmdline()[1:4] == ["-m", "prefect", "server"])


def test_make_flows_runs_what_events_start_and_ctrl_c_ends_it(project, serve):
    rollback = create_journal("rollback", 3000, "it fell", "c1")
    record_end(Paths(project.project), rollback)  # so that there is nothing to do: the project has no registry
    with serve(["make", "-f", str(ROOT / "Makefile"), "PYTHON=true", "flows"]) as process:  # without `make setup`
        wait_for(lambda: list_automations(project) == sorted([*AUTOMATIONS, "seodang: worker started", CANARY]))
        fall = Fall(canary="c1", worse="v0.2.0", version="v0.1.0", reason="it fell")
        send_event(project.url, build_event("project", fall))
        wait_for(lambda: find_runs(project, "rollback"))
        (run,) = find_runs(project, "rollback")
        assert run["parameters"]["run"] == {"canary": "c1", "worse": "v0.2.0", "to": "v0.1.0", "message": "it fell"}
        assert project.wait_until_final(run["id"])["type"] == "COMPLETED"
        wait_for(lambda: "canary c1 was rolled back already; nothing has changed" in project.read_logs(run["id"]))
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does for Ctrl-C
        process.wait(_BOUND_SECONDS)
    assert "Stopped." in (project.notes / "serve.log").read_text()
    assert not answers(project.url)
    wait_for(lambda: not list_processes(project))  # killed ones stay until init has seen their end


def list_automations(project: Scene) -> list[str]:
    return sorted(each["name"] for each in project.api("/automations/filter", {}))


def find_runs(project: Scene, flow: str) -> list[dict]:
    return project.api("/flow_runs/filter", {"flows": {"name": {"any_": [flow]}}})


def test_serving_ends_without_its_server_and_at_sigterm_and_its_runs_with_it(project, serve):
    with serve() as process:
        abandoned = project.start_held("ingest")
        find_server(process).kill()
        assert process.wait(_BOUND_SECONDS) == 2
    assert "the Prefect server has ended" in (project.notes / "serve.log").read_text()
    assert not project.list_stage_processes()
    project.release("ingest")
    with serve() as process:
        assert project.wait_until_final(abandoned)["type"] == "CRASHED"
        project.start_held("train")
        process.send_signal(signal.SIGTERM)
        assert process.wait(_BOUND_SECONDS) == 0
    assert not project.list_stage_processes()
    wait_for(lambda: not list_processes(project))  # killed ones stay until init has seen their end


def list_processes(project: Scene) -> list[psutil.Process]:
    """Return the processes that name the project or work in it."""
    return [each for each in psutil.process_iter() if str(project.project) in " ".join(_read_command(each))]


def _read_command(process: psutil.Process) -> list[str]:
    try:
        return [*process.cmdline(), process.cwd()]
    except psutil.Error:
        return []
