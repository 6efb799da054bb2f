"""Real processes stop: what runs finishes, what comes is answered, and the exit code is 0.

Run: pytest -m slow tests/service/test_stopping.py
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.constants import ROOT
from tests.service.test_http_protocol import build_get, build_post, connect, get_error, read_all, read_one

pytestmark = pytest.mark.slow

CHAT = {"messages": [{"role": "user", "content": "가"}]}
STOPS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


class Server(NamedTuple):
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 60) -> int:
        return self.process.wait(seconds)


@pytest.fixture
def start(packaged_model, tmp_path, find_free_port):
    """Starts the endless engine under uvicorn alone."""

    @contextmanager
    def start(drain_seconds: float = 30, host: str = "127.0.0.1", is_ready: bool = True) -> Iterator[Server]:
        port, log = find_free_port(), tmp_path / "log"
        command = [sys.executable, str(ROOT / "tests/service/run_endless_app.py"), str(packaged_model), host, str(port)]
        environment = {**os.environ, "SEODANG_DRAIN_SECONDS": str(drain_seconds)}
        with log.open("wb") as output, subprocess.Popen(command, env=environment, stderr=output) as process:
            try:
                if is_ready:
                    wait_until_it_listens(port, process)
                yield Server(process, port, log)
            finally:
                process.kill()

    return start


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the server does not listen, exit code {process.poll()}")


def ask_while_draining(port: int) -> bytes:
    with connect(port) as client:
        client.sendall(build_get())
        return read_all(client)


def begin(client: socket.socket, tokens: int, *, stream: bool) -> None:
    """Send a request that takes `tokens` steps, and wait until a stream has begun."""
    client.sendall(build_post({**CHAT, "stream": stream, "max_tokens": tokens}))
    if stream:
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    else:
        time.sleep(1)


@STOPS
def test_running_requests_finish_new_ones_get_503_and_the_exit_code_is_0(start, number):
    with (
        start() as server,
        connect(server.port) as client,
        connect(server.port) as streaming,
        connect(server.port) as idle,
    ):
        idle.sendall(build_get())
        assert read_one(idle).startswith(b"HTTP/1.1 200")
        begin(streaming, 60, stream=True)
        begin(client, 60, stream=False)
        server.stop(number)
        time.sleep(0.2)
        for answer in (ask_while_draining(server.port), ask_while_draining(server.port)):
            assert get_error(answer) == (503, "stopping")
            assert b"retry-after: 1" in answer.lower()
        idle.sendall(build_get())  # on a connection that was open before
        assert get_error(read_all(idle)) == (503, "stopping")
        assert b'"finish_reason":"length"' in read_one(client)
        assert read_all(streaming).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert server.wait() == 0
    assert "Traceback" not in server.log.read_text("utf-8")


def test_a_request_that_never_ends_is_cut_at_the_bound_with_a_valid_error(start):
    with start(drain_seconds=1) as server, connect(server.port) as client, connect(server.port) as streaming:
        begin(streaming, 50_000, stream=True)
        begin(client, 50_000, stream=False)
        server.stop()
        began = time.monotonic()
        assert get_error(read_all(client)) == (503, "stopping")
        *_events, error, end = [line for line in read_all(streaming).split(b"\n") if line.startswith(b"data: ")]
        assert json.loads(error.removeprefix(b"data: "))["error"]["code"] == "stopping"
        assert end == b"data: [DONE]"
        assert server.wait() == 0
        assert time.monotonic() - began < 20


def test_a_second_signal_cuts_at_once(start):
    with start(drain_seconds=600) as server, connect(server.port) as client:
        begin(client, 50_000, stream=True)
        server.stop()
        time.sleep(0.3)
        server.stop(signal.SIGINT)  # Ctrl-C arrives twice at a worker: within a second it is the same
        time.sleep(1.5)
        assert server.process.poll() is None
        server.stop()
        assert read_all(client).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert server.wait() == 0


def test_clients_that_connect_all_the_time_get_an_answer_or_are_refused_but_no_reset(start):
    with start() as server, connect(server.port) as client:
        begin(client, 40, stream=False)
        server.stop()
        answers, refused = 0, 0
        while server.process.poll() is None:
            try:
                assert get_error(ask_while_draining(server.port)) == (503, "stopping")
                answers += 1
            except ConnectionRefusedError:
                refused += 1
                time.sleep(0.05)
        assert server.wait() == 0
        assert answers > 10


def test_without_keys_it_refuses_to_listen_elsewhere(start):
    with start(host="0.0.0.0", is_ready=False) as server:
        assert server.wait(300) == 1
    assert "SEODANG_API_KEYS" in server.log.read_text("utf-8")
