"""A service that a release starts, and its smoke test, with a service without a model."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from seodang.config import ReleaseParams
from seodang.errors import ReleaseError, UnfitForService
from seodang.paths import Paths
from seodang.release.services import find_service, list_services, start_service, stop_service, wait_until_ready
from seodang.release.smoke import check_version, run_smoke_test
from seodang.release.versions import RunningService

TAG = "tiny:1"
PROMPTS = ["대한민국의 수도는 어디인가요?"]


def build_params(command: str) -> ReleaseParams:
    return ReleaseParams(
        serve_command=command, start_seconds=120, stop_seconds=10, automation_seconds=1, smoke_prompts=PROMPTS
    )


@pytest.fixture
def start(tmp_path, find_free_port):
    """Starts a service with a fault, and waits until it is ready."""
    paths = Paths(tmp_path)

    def start(fault: str) -> RunningService:
        port = find_free_port()
        command = f"{sys.executable} {Path(__file__).parent / 'stub_service.py'} {{port}} {{tag}} {TAG}={fault}"
        params = build_params(command)
        service = start_service(paths, params, port, TAG)
        wait_until_ready(paths, service, params.start_seconds)
        return RunningService(port)

    yield start
    for service in list_services(paths):
        stop_service(paths, service, 10)


def test_a_service_is_found_by_port_and_tag_until_it_is_stopped(start, tmp_path):
    port, paths = start("").port, Paths(tmp_path)
    service = find_service(paths, port=port, tag=TAG)
    assert service == find_service(paths, tag=TAG) == find_service(paths, port=port)
    assert find_service(paths, port=port, tag="tiny:2") is None
    assert list_services(Paths(tmp_path / "other")) == []
    run_smoke_test(RunningService(port), PROMPTS)
    check_version(RunningService(port), TAG)
    stop_service(paths, service, 10)
    assert list_services(paths) == []


def test_a_service_whose_release_still_runs_is_stopped_at_once(start, tmp_path):
    """It becomes a zombie of this process, which another process would wait for in vain."""
    paths = Paths(tmp_path)
    start("")
    (service,) = list_services(paths)
    began = time.monotonic()
    code = f"""if True:
        from pathlib import Path
        from seodang.paths import Paths
        from seodang.release.services import list_services, stop_service
        paths = Paths(Path({str(tmp_path)!r}))
        for service in list_services(paths):
            stop_service(paths, service, 300)
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    assert psutil.Process(service.leader).status() == psutil.STATUS_ZOMBIE
    assert time.monotonic() - began < 300


def test_a_service_that_ends_at_its_start_is_unfit_with_the_end_of_its_log(start):
    with pytest.raises(UnfitForService, match="the weights are gone") as caught:
        start("ends")
    assert caught.value.detail == "the service ended at its start"


def test_a_service_with_another_version_than_the_registry_is_unfit(start):
    with pytest.raises(UnfitForService, match="has tiny:other, and the registry's champion is tiny:1"):
        check_version(start("other"), TAG)


def test_a_port_of_another_program_is_named_in_korean_too(tmp_path, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ReleaseError, match=f"포트 {port}.* 쓸 수 없습니다"):
            start_service(Paths(tmp_path), build_params("serve {port}"), port, TAG)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("no_text", "no text"),
        ("no_usage", "completion_tokens None"),
        ("broken", "status 500"),
        ("dies", "no answer"),
    ],
)
def test_an_answer_without_what_clients_read_fails_the_smoke_test(start, fault, problem):
    with pytest.raises(UnfitForService) as caught:
        run_smoke_test(start(fault), PROMPTS)
    assert caught.value.detail == f"the smoke test failed: POST /generate: {problem}"


def test_a_chat_answer_in_another_shape_fails_the_smoke_test(start):
    with pytest.raises(UnfitForService, match="POST /v1/chat/completions: no message"):
        run_smoke_test(start("no_choice"), PROMPTS)
