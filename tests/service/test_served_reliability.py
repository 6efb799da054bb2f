"""A real `bentoml serve`: damaged models, workers that fail, signals.

Run: pytest -m slow tests/service/test_served_reliability.py
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from tests.constants import ROOT
from tests.service.test_http_protocol import build_get, build_post, connect, get_error, read_all, read_one
from tests.service.test_served import build_serve_command, build_serve_environment

from seodang.packaging.bento import build_bento, store_model
from seodang.packaging.checksums import CHECKSUMS_NAME, write_checksums
from seodang.packaging.model_folder import MANIFEST_NAME, compute_content_version, read_manifest

pytestmark = pytest.mark.slow

START_SECONDS = 400
REQUEST = build_post({"records": [{"instruction": "가"}] * 128, "temperature": 2.0}, "/batch")


class Bento(NamedTuple):
    tag: str
    home: Path

    @property
    def model(self) -> Path:
        return self.home / "models" / self.tag.replace(":", "/")


class Service(NamedTuple):
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def wait(self) -> tuple[int, str]:
        """Return exit code and log of a service that ends."""
        return self.process.wait(START_SECONDS), self.log.read_text("utf-8")

    def find_worker(self) -> psutil.Process:
        (worker,) = [
            child for child in psutil.Process(self.process.pid).children() if "worker" in " ".join(child.cmdline())
        ]
        return worker


@pytest.fixture(scope="module")
def original(make_packaged_model, tmp_path_factory, use_bentoml_home) -> Bento:
    folder = make_packaged_model(tmp_path_factory.mktemp("packaged") / "model", max_new_tokens=100)
    home = tmp_path_factory.mktemp("bentoml") / "home"
    with pytest.MonkeyPatch.context() as patch:
        use_bentoml_home(home, patch)
        version = compute_content_version(folder, read_manifest(folder).fingerprint)
        model_tag = store_model(folder, "tiny", version, {}, MANIFEST_NAME, CHECKSUMS_NAME)
        return Bento(build_bento(ROOT, "tiny", version, model_tag), home)


@pytest.fixture
def bento(original, tmp_path) -> Bento:
    """A copy of the stores, for a test that damages them."""
    home = Path(shutil.copytree(original.home, tmp_path / "home", symlinks=True))
    return Bento(original.tag, home)


@pytest.fixture
def start(bento, tmp_path, find_free_port):
    @contextmanager
    def start(*options: str, is_ready: bool = True, **variables: str) -> Iterator[Service]:
        port, log = find_free_port(), tmp_path / "serve.log"
        command = [*build_serve_command(bento.tag, port), *options]
        environment = {**build_serve_environment(bento.home), **variables}
        with (
            log.open("wb") as output,
            subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=output) as process,
        ):
            service = Service(process, port, log)
            children = []
            try:
                if is_ready:
                    wait_until_ready(service)
                    children = psutil.Process(process.pid).children(recursive=True)
                yield service
            finally:
                children += psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
                for leftover in [*children, process]:
                    with suppress(psutil.NoSuchProcess):
                        leftover.kill()

    return start


def wait_until_ready(service: Service) -> None:
    end = time.monotonic() + START_SECONDS
    while service.process.poll() is None and time.monotonic() < end:
        try:
            with connect(service.port) as client:
                client.sendall(build_get("/readyz", "Connection: close"))
                if read_all(client).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        time.sleep(0.3)
    pytest.fail(f"the server was not ready, exit code {service.process.poll()}:\n{service.log.read_text('utf-8')}")


def flip_bytes(path: Path, count: int = 400) -> None:
    content = bytearray(path.read_bytes())
    for position in range(len(content) // 2, len(content) // 2 + count):
        content[position] ^= 0xFF
    path.write_bytes(content)


def test_flipped_bytes_in_the_stored_weights_are_refused_in_one_line(bento, start):
    flip_bytes(bento.model / "model.safetensors")
    with start(is_ready=False) as service:
        code, log = service.wait()
    assert code != 0
    assert "(changed: model.safetensors)" in log
    assert "Traceback" not in log
    assert log.strip().count("\n") <= 1


def test_weights_with_checksums_of_their_own_are_refused_by_the_tag(bento, start):
    flip_bytes(bento.model / "model.safetensors")
    write_checksums(bento.model)
    with start(is_ready=False) as service:
        code, log = service.wait()
    assert code != 0
    assert bento.tag.partition(":")[2] in log
    assert "Traceback" not in log


def test_a_model_that_the_worker_cannot_load_ends_the_command(bento, start):
    config = bento.model / "config.json"
    settings = json.loads(config.read_text("utf-8"))
    config.write_text(json.dumps({**settings, "intermediate_size": 80}), "utf-8")  # not the shape of the weights
    write_checksums(bento.model)
    with start(is_ready=False) as service:
        code, log = service.wait()
    assert code != 0
    assert "Traceback" not in log
    assert log.count("the model cannot be loaded") == 1
    (line,) = [line for line in log.splitlines() if "the model cannot be loaded" in line]
    assert json.loads(line)["level"] == "critical"


def test_a_worker_that_is_killed_ends_the_command(start):
    with start() as service:
        service.find_worker().kill()
        code, log = service.wait()
    assert code != 0
    assert {json.loads(line)["logger"].partition(".")[0] for line in log.splitlines()} == {"bentoml", "seodang"}
    assert "the service has ended with its worker" in log


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2], ids=["dies", "hangs"])
def test_an_engine_that_ends_fails_the_probes_and_ends_the_command(start, number):
    with start(PYTHONPATH=str(ROOT / "tests/service/engine_killer"), SEODANG_STEP_SECONDS="3") as service:
        service.find_worker().send_signal(number)
        for request in (REQUEST, build_get("/livez"), build_get("/readyz")):
            with connect(service.port) as client:
                client.sendall(request)
                answer = read_one(client)
            assert get_error(answer) == (503, "engine_stopped")
            assert b"retry-after: 1" in answer.lower()
        code, log = service.wait()
    assert code != 0
    assert "the service ends: the engine has stopped" in log
    assert "the service has ended with its worker" in log


def test_a_killed_parent_leaves_no_worker_behind(start):
    with start() as service:
        worker = service.find_worker()
        service.process.kill()
        service.process.wait()
        worker.wait(60)


def test_without_keys_it_refuses_to_listen_elsewhere(bento, start):
    with start("--host", "0.0.0.0", is_ready=False) as service:
        code, log = service.wait()
    assert code != 0
    assert "SEODANG_API_KEYS" in log


@pytest.mark.parametrize("twice", [False, True])
def test_sigterm_finishes_what_runs_refuses_what_comes_and_exits_with_0(start, twice):
    with start() as service, connect(service.port) as client:
        client.settimeout(300)
        client.sendall(REQUEST[:-1])  # it runs until its last byte, however fast the model is
        time.sleep(1)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        if twice:
            service.process.send_signal(signal.SIGTERM)
        with connect(service.port) as late:
            late.sendall(build_get())
            assert get_error(read_all(late)) == (503, "stopping")
        client.sendall(REQUEST[-1:])
        answer = read_all(client)
        code, log = service.wait()
    assert answer.startswith(b"HTTP/1.1 200")
    assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["answers"]) == 128
    assert code == 0
    assert "Traceback" not in log


def test_clients_are_answered_or_refused_until_the_end(start):
    with start() as service, connect(service.port) as client:
        client.settimeout(300)
        client.sendall(REQUEST[:-1])
        time.sleep(1)
        os.kill(service.process.pid, signal.SIGTERM)
        time.sleep(1)
        end = time.monotonic() + 3
        while service.process.poll() is None:
            if end is not None and time.monotonic() > end:
                client.sendall(REQUEST[-1:])
                end = None
            try:
                with connect(service.port) as late:
                    late.sendall(build_get())
                    assert get_error(read_all(late)) == (503, "stopping")
            except ConnectionRefusedError:
                time.sleep(0.05)
        assert service.wait()[0] == 0
