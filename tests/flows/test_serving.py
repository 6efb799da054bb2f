"""`make flows` with a run at work: it ends when its server is killed and at SIGTERM, and finds its dead runs again.

Run alone: .venv/bin/python -m pytest -n 0 tests/flows/test_serving.py
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from tests.flows.prefect_processes import PATIENCE, wait_for
from tests.flows.reliability import Scene, build_scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
_BOUND_SECONDS = 60


@pytest.fixture(scope="module")
def project(tmp_path_factory, make_miniature) -> Scene:
    """A project whose server and worker are not used: the one that is served starts its own server."""
    return build_scene(tmp_path_factory.mktemp("serving"), make_miniature)


@pytest.fixture
def serve(project: Scene) -> Callable[[], object]:
    @contextmanager
    def serve_project() -> Iterator[subprocess.Popen[bytes]]:
        port = project.url.rpartition(":")[2].removesuffix("/api")
        command = [sys.executable, "-m", "flows.serve", "--port", port, "--project", str(project.project)]
        log = project.notes / "serve.log"
        with (
            log.open("w") as output,
            subprocess.Popen(command, cwd=project.project, env=project.env, stdout=output, stderr=output) as process,
        ):
            try:
                wait_for(lambda: is_served(project) or process.poll() is not None)
                assert process.poll() is None, log.read_text()
                yield process
            finally:
                process.terminate()
                process.wait(PATIENCE)

    return serve_project


def is_served(project: Scene) -> bool:
    try:
        return bool(project.api("/deployments/name/instruction-tuning/local"))
    except OSError:
        return False


def find_server(process: subprocess.Popen[bytes]) -> psutil.Process:
    children = psutil.Process(process.pid).children(recursive=True)
    return next(child for child in children if child.cmdline()[1:4] == ["-m", "prefect", "server"])


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
    assert not [each for each in psutil.process_iter() if str(project.project) in " ".join(_read_command(each))]


def _read_command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
