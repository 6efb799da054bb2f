"""An engine that ends by itself ends the service, with an answer for everyone, and leaves no process behind.

Run: pytest -m slow tests/service/test_engine_death.py. SEODANG_VLLM_PYTHON is the Python of an environment that has
vLLM (see tests/inference/engine/test_engine_contract.py); without it only the engine on transformers is tested.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from tests.constants import ROOT
from tests.service.test_http_protocol import build_get, build_post, connect, get_error, read_all
from transformers import Qwen3Config, Qwen3ForCausalLM

from seodang.inference.engine.process_guard import VARIABLE, find_marked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

VLLM_PYTHON = os.environ.get("SEODANG_VLLM_PYTHON", "")
PYTHONS = {"transformers": sys.executable, "vllm": VLLM_PYTHON}
NEEDS_VLLM = pytest.mark.skipif(not VLLM_PYTHON, reason="SEODANG_VLLM_PYTHON names no Python with vLLM")
ENGINES = ["transformers", pytest.param("vllm", marks=NEEDS_VLLM)]
START_SECONDS = 1000
STREAM = {"messages": [{"role": "user", "content": "가"}], "max_tokens": 90, "temperature": 2.0, "stream": True}
BATCH = {"records": [{"instruction": "가"}] * 128, "temperature": 2.0}


class Server(NamedTuple):
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def list_others(self) -> list[psutil.Process]:
        """Return all other processes of the service."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill_engine(self) -> None:
        """End the engine as a crash does: its thread, or vLLM's process."""
        self._signal_engine(signal.SIGKILL, signal.SIGUSR1)

    def hold_engine(self) -> None:
        """Let the engine hang in a step: its thread, or vLLM's process."""
        self._signal_engine(signal.SIGSTOP, signal.SIGUSR2)

    def _signal_engine(self, for_vllm: signal.Signals, for_service: signal.Signals) -> None:
        cores = [child for child in self.list_others() if child.name().startswith("VLLM::Engine")]
        for core in cores:
            core.send_signal(for_vllm)
        if not cores:
            self.process.send_signal(for_service)


@pytest.fixture(scope="module")
def model(make_tiny_model, write_tiny_manifest, tmp_path_factory) -> Path:
    """An untrained model of a shape that vLLM's build for CPUs computes."""
    folder = make_tiny_model(tmp_path_factory.mktemp("long") / "model")
    Qwen3ForCausalLM(Qwen3Config.from_pretrained(folder, head_dim=32)).save_pretrained(folder)
    return write_tiny_manifest(folder, "koalpaca", 90)


@pytest.fixture
def start(model, tmp_path, find_free_port) -> Callable[..., object]:
    """Starts the service under uvicorn alone."""

    @contextmanager
    def start(engine: str, *, is_ready: bool = True, step_seconds: int = 300) -> Iterator[Server]:
        port, log = find_free_port(), tmp_path / "log"
        command = [PYTHONS[engine], str(ROOT / "tests/service/run_app.py"), str(model), str(port)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT / "tests/service/engine_killer"))),
            "SEODANG_ENGINE": engine,
            "SEODANG_STEP_SECONDS": str(step_seconds),
            "SEODANG_VLLM_ARGS": '{"enforce_eager": true}',
            "VLLM_CPU_KVCACHE_SPACE": "1",
        }
        with (
            log.open("wb") as output,
            subprocess.Popen(command, env=environment, stderr=output, stdout=output) as process,
        ):
            server = Server(process, port, log)
            others: list[psutil.Process] = []
            try:
                if is_ready:
                    wait_until_it_answers(server)
                others = server.list_others()
                yield server
                check_that_they_end(others)
            finally:
                for leftover in others:
                    with suppress(psutil.NoSuchProcess):
                        leftover.kill()
                process.kill()

    return start


def wait_until_it_answers(server: Server) -> None:
    end = time.monotonic() + START_SECONDS
    while server.process.poll() is None and time.monotonic() < end:
        with suppress(OSError):
            if ask(server, "/readyz").startswith(b"HTTP/1.1 200"):
                return
        time.sleep(0.2)
    pytest.fail(f"the server does not answer:\n{server.log.read_text('utf-8')[-3000:]}")


def ask(server: Server, path: str) -> bytes:
    with connect(server.port) as client:
        client.sendall(build_get(path, "Connection: close"))
        return read_all(client)


def is_spawned(process: psutil.Process) -> bool:
    """Return whether a process is one of vLLM's, and not one that has just ended."""
    with suppress(psutil.NoSuchProcess):  # of which a zombie is one kind
        return "spawn_main" in " ".join(process.cmdline())
    return False


def check_that_they_end(processes: list[psutil.Process]) -> None:
    _gone, alive = psutil.wait_procs(processes, timeout=30)
    assert not [process.name() for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("engine", ENGINES)
def test_everyone_gets_503_with_the_reason_and_the_service_ends(start, engine):
    with start(engine) as server, connect(server.port) as streaming, connect(server.port) as client:
        streaming.sendall(build_post(STREAM, "/v1/chat/completions", "Connection: close"))
        client.sendall(build_post(BATCH, "/batch", "Connection: close"))
        assert streaming.recv(100).startswith(b"HTTP/1.1 200")
        server.kill_engine()
        killed = time.monotonic()
        events = [line for line in read_all(streaming).split(b"\n") if line.startswith(b"data: ")]
        assert get_error(read_all(client)) == (503, "engine_stopped")
        assert time.monotonic() - killed < 5
        check_the_end(server, events, b"the engine has stopped: ")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_that_hangs_ends_the_service_after_its_limit(start, engine):
    with start(engine, step_seconds=3) as server, connect(server.port) as streaming, connect(server.port) as client:
        streaming.sendall(build_post(STREAM, "/v1/chat/completions", "Connection: close"))
        assert streaming.recv(100).startswith(b"HTTP/1.1 200")
        server.hold_engine()
        client.sendall(build_post(BATCH, "/batch", "Connection: close"))
        assert get_error(read_all(client)) == (503, "engine_stopped")
        events = [line for line in read_all(streaming).split(b"\n") if line.startswith(b"data: ")]
        check_the_end(server, events, b"a step has not ended for ")
    if engine == "transformers":
        assert "sitecustomize.py" in server.log.read_text("utf-8")  # it names the place


def check_the_end(server: Server, events: list[bytes], reason: bytes) -> None:
    """Check the end of a stream, the probes, and the end of the process."""
    if events[-2].startswith(b'data: {"error"'):  # else its answer was complete before the end
        assert json.loads(events[-2].removeprefix(b"data: "))["error"]["code"] == "engine_stopped"
    assert events[-1] == b"data: [DONE]"
    answers = 0
    with suppress(ConnectionRefusedError):  # it ends after seconds, and resets no connection
        for path in ("/livez", "/readyz", "/v1/models"):
            answer = ask(server, path)
            assert get_error(answer) == (503, "engine_stopped")
            assert reason in answer
            answers += 1
    assert answers
    assert server.process.wait(60) == 1
    assert "the service ends: the engine has stopped" in server.log.read_text("utf-8")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_all_processes_of_the_service(start, engine, number):
    with start(engine) as server:
        server.process.send_signal(number)
        assert server.process.wait(60) == (0 if number == signal.SIGTERM else -number)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_signal_for_all_processes_lets_running_requests_finish(start, engine):
    """Ctrl-C reaches the group of a terminal, and BentoML sends SIGTERM to the children of a worker, too."""
    with start(engine) as server, connect(server.port) as client:
        client.sendall(build_post({**STREAM, "logit_bias": {"1": -100}}))
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        for process in [psutil.Process(server.process.pid), *server.list_others()]:
            process.send_signal(signal.SIGTERM)
        events = [line for line in read_all(client).split(b"\n") if line.startswith(b"data: ")]
        assert events[-1] == b"data: [DONE]"
        last = json.loads(events[-2].removeprefix(b"data: "))
        assert "choices" in last, server.log.read_text("utf-8")[-3000:]
        assert last["choices"][0]["finish_reason"] in ("stop", "length")
        assert server.process.wait(60) == 0


@NEEDS_VLLM
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_while_the_model_is_loaded_leaves_no_process_behind(start, number):
    with start("vllm", is_ready=False) as server:
        end = time.monotonic() + START_SECONDS
        while not (others := [child for child in server.list_others() if is_spawned(child)]):
            assert server.process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        server.process.send_signal(number)
        assert server.process.wait(60) in (0, -number)
        check_that_they_end(others)


def test_processes_are_found_by_the_mark_of_their_environment():
    with subprocess.Popen(["sleep", "60"], env={**os.environ, VARIABLE: "test-mark"}) as process:
        while process.pid not in find_marked("test-mark"):
            assert process.poll() is None
            time.sleep(0.01)
        assert find_marked("test-mark") == [process.pid]
        process.kill()


GUARDED = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have switched it off
from seodang.inference.engine.process_guard import ProcessGuard
guard = ProcessGuard.start()
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", stubborn], start_new_session=True)
time.sleep(1)
print(child.pid, flush=True)
if "end" in sys.argv:
    guard.end()
    print(child.wait(1), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_a_guarded_process_ends_what_it_started(number):
    command = [sys.executable, "-c", GUARDED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.send_signal(number)
        process.wait(10)
        child.wait(20)


def test_the_guard_ends_them_on_request():
    with subprocess.Popen([sys.executable, "-c", GUARDED, "end"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        assert int(process.stdout.readline()) == -signal.SIGKILL
        assert not child.is_running()
        process.kill()
