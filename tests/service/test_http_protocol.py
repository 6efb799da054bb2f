"""Strange, slow and vanishing clients over real sockets. Run: pytest tests/service/test_http_protocol.py"""

from __future__ import annotations

import json
import logging
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.service.conftest import ScriptedEngine

from seodang.service.context import ServiceContext
from seodang.service.http.api_keys import ApiKeys
from seodang.service.http.request_guard import RequestLimits
from seodang.service.telemetry.metrics import format_metrics
from seodang.service.web_app import create_app

CHAT = {"messages": [{"role": "user", "content": "가"}]}
RESET = struct.pack("ii", 1, 0)
HANG = -1  # a token that never comes


def build_post(content: object = CHAT, path: str = "/v1/chat/completions", *fields: str) -> bytes:
    body = json.dumps(content).encode()
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *fields]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def build_get(path: str = "/v1/models", *fields: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/{version}", "Host: 127.0.0.1", *fields, "", ""]).encode()


@contextmanager
def connect(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        yield client


def read_all(client: socket.socket) -> bytes:
    """Read until the server closes the connection; a reset is an error."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def read_one(client: socket.socket) -> bytes:
    """Read one answer with a Content-Length; the connection stays open."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += client.recv(1)
    length = next(int(line[15:]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while length:
        part = client.recv(length)
        answer, length = answer + part, length - len(part)
    return answer


def get_error(answer: bytes) -> tuple[int, str]:
    """Return status and code of an answer that is one error in OpenAI's shape."""
    head, _blank, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return int(head.split()[1]), error["code"]


def is_closed(client: socket.socket, send: bytes = b"") -> bool:
    """Return whether the server closed the connection; what it sends is read."""
    client.settimeout(0.05)
    try:
        client.sendall(send)
        return not client.recv(1 << 20)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def engine(served) -> ScriptedEngine:
    return ScriptedEngine([20, 21], served.model.manifest.end_id)


@pytest.fixture
def start(served, engine, serve_app):
    """Serves the scripted engine; a bound of the protocol or a limit of requests may be given."""

    def start(limits=None, keys="", **bounds):
        context = ServiceContext(served.model, engine)
        return serve_app(create_app(context, keys=ApiKeys({"SEODANG_API_KEYS": keys}), limits=limits), **bounds)

    return start


def close(client: socket.socket) -> None:
    client.close()


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


def close_half(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("leave", [close, reset, close_half])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("rest", [b"", build_get()], ids=["", "pipelined"])
def test_a_client_that_goes_away_frees_its_slot(start, engine, leave, stream, rest):
    engine.script = [20, HANG]
    with start() as port, connect(port) as client:
        client.sendall(build_post({**CHAT, "stream": stream}) + rest)
        wait_for(lambda: engine.running == 1)
        leave(client)
        wait_for(lambda: engine.running == 0)


def test_twenty_clients_that_hang_up_do_not_hold_up_the_next_one(start, engine):
    engine.script = [HANG]
    with start() as port:
        for number in range(20):
            with connect(port) as client:
                client.sendall(build_post({**CHAT, "stream": number % 2 == 0}))
                wait_for(lambda expected=number + 1: len(engine.requests) == expected)
        wait_for(lambda: engine.running == 0)
        engine.script = [20]
        with connect(port) as client:
            client.sendall(build_post())
            assert read_one(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"GET /livez HT", b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ", b"\r\n", b"{"])
def test_a_half_sent_header_is_refused_after_a_while(start, sent):
    with start(header_seconds=0.3) as port, connect(port) as client:
        client.sendall(sent)
        assert get_error(read_all(client)) in ((400, "header_timeout"), (400, "invalid_http"))


def test_a_header_that_arrives_drop_by_drop_is_refused_after_a_while(start):
    with start(header_seconds=0.5) as port, connect(port) as client:
        begin = time.monotonic()
        client.settimeout(0.05)
        answer = b""
        client.sendall(b"GET / HTTP/1.1\r\n")
        while not answer:
            client.sendall(b"X-A: b\r\n")
            try:
                answer = client.recv(4096)
            except TimeoutError:
                assert time.monotonic() - begin < 15
        assert get_error(answer) == (400, "header_timeout")


def test_blank_lines_do_not_keep_a_connection(start):
    with start(header_seconds=0.5) as port, connect(port) as client:
        client.sendall(build_get("/livez"))
        read_one(client)
        begin = time.monotonic()
        while not is_closed(client, send=b"\r\n"):
            assert time.monotonic() - begin < 15


def test_a_connection_that_sends_nothing_is_closed(start):
    with start(header_seconds=0.3) as port, connect(port) as client:
        wait_for(lambda: is_closed(client))


def test_a_half_sent_body_is_refused_after_a_while(start, engine):
    with start(RequestLimits(body_seconds=0.3)) as port, connect(port) as client:
        client.sendall(build_post()[:-5])
        assert get_error(read_all(client)) == (400, "body_timeout")
        assert not engine.requests


def test_a_large_body_gets_its_answer_and_no_reset(start):
    with start(RequestLimits(body_bytes=1000)) as port, connect(port) as client:
        client.sendall(build_post({"instruction": "a" * 3_000_000}, "/generate"))
        assert get_error(read_all(client)) == (413, "body_too_large")


def test_a_body_without_a_key_is_not_read_to_its_end(start):
    with start(keys="app:0123456789abcdef") as port, connect(port) as client:
        client.sendall(b"POST /generate HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000)
        assert get_error(read_all(client)) == (401, "invalid_api_key")


def test_who_expects_100_continue_is_asked_for_a_body_that_is_read_and_for_no_other(start):
    with start(RequestLimits(body_bytes=1000)) as port:
        head, _blank, body = build_post(CHAT, "/v1/chat/completions", "Expect: 100-continue").partition(b"\r\n\r\n")
        with connect(port) as client:
            client.sendall(head + b"\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 100")
            client.sendall(body)
            assert read_one(client).startswith(b"HTTP/1.1 200")
        with connect(port) as client:
            client.sendall(
                b"POST /generate HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n"
            )
            assert get_error(read_all(client))[0] in (403, 413)


def test_pipelined_requests_are_answered_in_order(start):
    requests = [build_get(), build_post(), build_get("/nowhere"), build_post({**CHAT, "stream": True}), build_get()]
    with start() as port, connect(port) as client:
        client.sendall(b"".join(requests[:-1]) + build_get("/livez", "Connection: close"))
        answers = read_all(client).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"200", b"404", b"200", b"200"]
    assert answers[3].count(b"data: [DONE]") == 1


def test_many_pipelined_requests_are_answered_one_after_the_other(start, engine):
    engine.script = [20]
    with start() as port, connect(port) as client:
        client.sendall(build_post() * 200 + build_get("/livez", "Connection: close"))
        assert read_all(client).count(b"HTTP/1.1 200") == 201
    assert len(engine.requests) == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,  # a client that begins TLS
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nA: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nA b: c\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
    ],
)
def test_a_request_that_contradicts_http_is_400_in_our_shape(start, request_, caplog):
    caplog.set_level(logging.DEBUG)
    with start() as port, connect(port) as client:
        client.sendall(request_)
        answer = read_all(client)
    status, code = get_error(answer)
    assert status in (400, 501)
    assert not [record for record in caplog.records if record.exc_info]
    assert not [record for record in caplog.records if record.name.startswith("uvicorn") and "nvalid" in record.msg]
    logged = [record.fields for record in caplog.records if record.message == "request"]
    assert [fields["status"] for fields in logged if fields["status"]] == [status]
    id = next(fields["request_id"] for fields in logged if fields["status"])
    assert f"x-request-id: {id}".encode() in answer.lower()
    assert f'seodang:request_errors_total{{code="{code}",status="{status}"}}'.encode() in format_metrics()


def test_a_chunk_that_lies_after_an_early_answer_logs_no_traceback(start, caplog):
    caplog.set_level(logging.DEBUG)
    with start(keys="app:0123456789abcdef") as port, connect(port) as client:
        client.sendall(b"POST /generate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b"zz\r\n" * 1000)
        assert read_all(client).startswith(b"HTTP/1.1 40")
    assert not [record for record in caplog.records if record.exc_info]


def test_chunked_bodies_of_any_cut_are_read(start):
    body = json.dumps(CHAT).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with start() as port, connect(port) as client:
        client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        assert read_one(client).startswith(b"HTTP/1.1 200")


def test_http_1_0_gets_its_answer_and_its_stream(start):
    with start() as port:
        with connect(port) as client:
            client.sendall(b"GET /v1/models HTTP/1.0\r\n\r\n")
            assert b" 200 " in read_all(client)
        with connect(port) as client:
            client.sendall(build_post({**CHAT, "stream": True}).replace(b"HTTP/1.1", b"HTTP/1.0"))
            answer = read_all(client)
        assert answer.endswith(b"data: [DONE]\n\n")
        assert b"chunked" not in answer


def test_a_complete_address_is_read_as_its_path_and_its_host(start):
    with start() as port:
        for target, status in (
            (f"http://127.0.0.1:{port}/v1/models", b"200"),
            ("http://localhost", b"200"),
            ("http://evil.example/v1/models", b"403"),
            ("http://[broken/v1/models", b"404"),
        ):
            with connect(port) as client:
                client.sendall(build_get(target, "Connection: close"))
                assert read_all(client)[9:12] == status, target


def test_a_client_that_does_not_read_is_given_up_and_holds_up_no_other(start, engine):
    engine.script = [20] * 3000
    engine.end_id = 20
    body = {**CHAT, "stream": True, "logprobs": True, "top_logprobs": 20}
    with start(read_seconds=0.5) as port, connect(port) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(build_post(body))
        with connect(port) as other:
            other.sendall(build_get())
            assert read_one(other).startswith(b"HTTP/1.1 200")
        time.sleep(1.5)
        wait_for(lambda: is_closed(client))
    wait_for(lambda: engine.running == 0)


def test_idle_connections_leave_room_and_too_many_get_a_503(start):
    with start(max_connections=40) as port:
        idle = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(39)]
        with connect(port) as client:
            client.sendall(build_get())
            assert read_one(client).startswith(b"HTTP/1.1 200")
            with connect(port) as refused:
                refused.sendall(build_get())
                answer = read_all(refused)
        assert get_error(answer) == (503, "connections")
        assert b"retry-after" in answer.lower()
        for connection in idle:
            connection.close()


def test_an_upgrade_to_websocket_is_a_plain_request(start):
    fields = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: YQ==")
    with start() as port, connect(port) as client:
        client.sendall(build_get("/v1/models", *fields))
        assert read_one(client).startswith(b"HTTP/1.1 200")
