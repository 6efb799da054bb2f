"""Raw sockets against uvicorn alone. Run: pytest -m slow tests/service/test_raw_sockets.py"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.constants import ROOT

pytestmark = pytest.mark.slow

KEY = "0123456789abcdef"
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    """The log of the server."""
    return tmp_path_factory.mktemp("uvicorn") / "log"


@pytest.fixture(scope="module")
def port(packaged_model, log, find_free_port, run_server) -> Iterator[int]:
    port = find_free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SEODANG_API_KEYS": f"test:{KEY}"}
    command = [sys.executable, str(HERE / "run_app.py"), str(packaged_model), str(port)]
    with run_server(command, f"http://127.0.0.1:{port}", cwd=log.parent, environment=environment, log=log):
        yield port


def build_request(body: dict[str, object], path: str = "/v1/chat/completions") -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Bearer {KEY}\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(content) + content


def read_all(connection: socket.socket, seconds: float = 20) -> bytes:
    connection.settimeout(seconds)
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


CHAT = {"messages": [{"role": "user", "content": "가"}], "max_tokens": 3}


def test_an_answer_that_arrives_is_not_logged_as_one_whose_client_is_gone(port, log):
    body = {**CHAT, "stream": True}
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = b"Host: a\r\nConnection: close\r\nX-Request-Id: complete-answer"
        connection.sendall(build_request(body).replace(b"Host: a", head))
        assert read_all(connection).rstrip(b"\r\n0").endswith(b"[DONE]")
    lines: list[str] = []
    deadline = time.monotonic() + 10  # the server may write the line after the client has its answer
    while not lines and time.monotonic() < deadline:
        lines = [line for line in log.read_text("utf-8").splitlines() if '"complete-answer"' in line]
        time.sleep(0.05)
    (line,) = lines
    assert json.loads(line)["client_gone"] is False


def test_pipelined_requests_are_answered_in_order(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        last = build_request(CHAT).replace(b"Host: a", b"Host: a\r\nConnection: close")
        connection.sendall(build_request({"messages": 1}) + build_request(CHAT, "/nowhere") + last)
        answer = read_all(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answer) == [b"400", b"404", b"200"]


def test_a_half_closed_connection_gets_its_answer_or_is_closed(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(build_request(CHAT))
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 200")


def test_clients_that_hang_up_do_not_hold_up_the_next_one(port):
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(build_request({**CHAT, "max_tokens": 24, "n": 4, "temperature": 2}))
    deadline = time.monotonic() + 10
    answer = b""
    while not answer.startswith(b"HTTP/1.1 200") and time.monotonic() < deadline:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(build_request(CHAT).replace(b"Host: a", b"Host: a\r\nConnection: close"))
            answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200")
