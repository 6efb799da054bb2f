"""Targets of requests that BentoML's own routes would answer, and the id of all answers. Over real sockets."""

from __future__ import annotations

import json
import socket
from typing import Any, Final

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from seodang.service.http.api_keys import ApiKeys
from seodang.service.web_app import create_app


async def answer_probe(_request: Request) -> Response:
    return PlainTextResponse("\n")


@pytest.fixture
def port(served, serve_app):
    """The application as BentoML mounts it, below routes of its own."""
    app = create_app(served, keys=ApiKeys({}))
    routes = [Route("/livez", answer_probe), Route("/schema.json", answer_probe), Mount("/", app)]
    with serve_app(Starlette(routes=routes)) as port:
        yield port


def send(port: int, line: str, *fields: str) -> tuple[int, dict[str, str], bytes]:
    head = "\r\n".join([f"{line} HTTP/1.1", "Host: localhost", "Connection: close", *fields, "", ""])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(head.encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    start, _blank, body = answer.partition(b"\r\n\r\n")
    status, *lines = start.decode("latin-1").split("\r\n")
    headers = dict(field.lower().split(": ", 1) for field in lines)
    return int(status.split()[1]), headers, body


def read_error(body: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


TARGETS: Final = (
    "* ? ?a=/livez localhost:443 /livez%0a /v1/models%0a /a%0ab /%1b[31m /schema.json http://[broken/livez"
    " ftp://localhost/livez http://localhost/livez%0a http://localhost/schema.json"
)


@pytest.mark.parametrize("target", TARGETS.split())
def test_a_target_that_is_no_path_is_404_in_our_shape(port, target):
    status, headers, body = send(port, f"GET {target}")
    assert (status, read_error(body)["code"]) == (404, "not_found")
    assert headers["x-request-id"]


@pytest.mark.parametrize("method", ["OPTIONS", "CONNECT", "PRI"])
def test_other_forms_of_targets_are_answered_in_our_shape(port, method):
    status, _headers, body = send(port, f"{method} {'evil.example:443' if method == 'CONNECT' else '*'}")
    assert status == 404
    read_error(body)


@pytest.mark.parametrize(
    ("target", "status"),
    [("http://localhost/v1/models", 200), ("HTTP://localhost/livez", 200), ("http://evil.example/v1/models", 403)],
)
def test_a_complete_address_reaches_its_route(port, target, status):
    assert send(port, f"GET {target}")[0] == status


@pytest.mark.parametrize("target", ["/livez", "/v1/models", "/nowhere", "*"])
def test_every_answer_has_one_id_which_is_that_of_the_request(port, target):
    _status, headers, _body = send(port, f"GET {target}", "X-Request-Id: probe-1")
    assert headers["x-request-id"] == "probe-1"
    assert headers["x-content-type-options"] == "nosniff"
    _status, headers, _body = send(port, f"GET {target}", "X-Request-Id: <script>")
    assert headers["x-request-id"].isalnum()


@pytest.mark.parametrize("target", ["/livez", "/v1/models"])
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([f"X: {'a' * 70_000}"], "header_too_large"),
        (["X: a"] * 120, "header_too_large"),
        (["X-Request-Id: a", "X-Request-Id: b"], "invalid_header"),
        (["Content-Encoding: gzip"], "unsupported_encoding"),
    ],
)
def test_a_refused_header_gets_400_on_bentomls_routes_too(port, target, fields, code):
    status, headers, body = send(port, f"GET {target}", *fields)
    assert (status, read_error(body)["code"]) == (400, code)
    assert headers["x-request-id"]
    assert send(port, f"GET {target}")[0] == 200
