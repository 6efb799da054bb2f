"""Keys, sizes, times, clients that go away, and the log. Run: pytest tests/service/test_request_guard.py"""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
import time
from typing import Any

import pytest
from tests.service.conftest import ScriptedEngine
from tests.service.test_errors import check_error

from seodang.errors import SeodangError
from seodang.service.context import ServiceContext
from seodang.service.http.api_keys import ApiKeys, is_loopback
from seodang.service.http.request_guard import RequestLimits
from seodang.service.telemetry.json_log import JsonFormatter
from seodang.service.web_app import create_app

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"
BODY = json.dumps({"messages": [{"role": "user", "content": "비밀 이야기"}]}).encode()


def build_scope(path: str = "/v1/chat/completions", server: Any = ("127.0.0.1", 80), **headers: str) -> dict[str, Any]:
    fields = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        "server": server,
        "client": ("127.0.0.1", 1),
    }


class Connection:
    """A client's side: messages that arrive, each after some seconds, and what was sent."""

    def __init__(self, *arrivals: tuple[float, dict[str, Any]]) -> None:
        self.arrivals = list(arrivals)
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if not self.arrivals:
            await asyncio.Event().wait()
        delay, message = self.arrivals.pop(0)
        await asyncio.sleep(delay)
        return message

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return next((message["status"] for message in self.sent if message["type"] == "http.response.start"), None)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


def arrive(body: bytes, *, more: bool = False, after: float = 0) -> tuple[float, dict[str, Any]]:
    return after, {"type": "http.request", "body": body, "more_body": more}


GONE = (0.05, {"type": "http.disconnect"})


@pytest.fixture
def engine(served) -> ScriptedEngine:
    return ScriptedEngine([20, -1], served.model.manifest.end_id)


@pytest.fixture
def serve(served, engine):
    def serve(connection, scope, limits=None, keys=""):
        context = ServiceContext(served.model, engine)
        app = create_app(context, keys=ApiKeys({"SEODANG_API_KEYS": keys}), limits=limits)
        asyncio.run(asyncio.wait_for(app(scope, connection.receive, connection.send), 5))
        return connection

    return serve


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_frees_its_slot_streaming_or_not(serve, engine, stream, caplog):
    caplog.set_level(logging.INFO, "seodang.service")
    body = json.dumps({**json.loads(BODY), "stream": stream, "n": 3}).encode()
    connection = serve(Connection(arrive(body), GONE), build_scope())
    assert connection.status == (200 if stream else None)
    assert len(engine.requests) == engine.closed == 3
    assert engine.running == 0
    assert caplog.records[-1].fields["client_gone"] is True


def test_a_client_that_goes_away_with_half_its_body_is_forgotten(serve, engine):
    connection = serve(Connection(arrive(b"{", more=True), GONE), build_scope())
    assert not connection.sent
    assert not engine.requests


def test_a_half_sent_body_is_refused_after_a_while_and_the_connection_closed(serve):
    limits = RequestLimits(body_seconds=0.1)
    start = time.monotonic()
    drops = [arrive(b" ", more=True, after=0.03) for _ in range(100)]
    connection = serve(Connection(*drops), build_scope(), limits)
    assert time.monotonic() - start < 2
    assert (connection.status, connection.headers[b"connection"]) == (400, b"close")


def test_an_answer_that_does_not_begin_in_time_is_given_up(serve, engine):
    engine.script = [-1]
    connection = serve(Connection(arrive(BODY)), build_scope(), RequestLimits(answer_seconds=0.1))
    assert (connection.status, engine.running) == (503, 0)
    assert connection.headers[b"retry-after"] == b"1"


def test_a_large_body_is_refused_before_it_is_read(serve):
    limits = RequestLimits(body_bytes=1000)
    declared = Connection(arrive(b"x" * 2000))
    serve(declared, build_scope(content_length="2000"), limits)
    assert len(declared.arrivals) == 1
    chunked = Connection(*(arrive(b"x" * 400, more=True) for _ in range(100)))
    serve(chunked, build_scope(), limits)
    assert len(chunked.arrivals) == 97
    for connection in (declared, chunked):
        assert (connection.status, connection.headers[b"connection"]) == (413, b"close")
        assert json.loads(connection.sent[1]["body"])["error"]["code"] == "body_too_large"


@pytest.mark.parametrize("length", ["-1", "x", "²", "9" * 5000, ""])
def test_a_strange_length_does_no_harm(serve, engine, length):
    engine.script = []
    connection = serve(Connection(arrive(BODY)), build_scope(content_length=length))
    assert connection.status in (200, 413)


def test_a_service_with_keys_answers_no_one_without(served, build_client):
    client = build_client(served, keys=f"app:{KEY},tool:{OTHER}")
    wrong = ["", "Bearer", f"Bearer {KEY}x", f"Basic {KEY}", KEY, "Bearer app", f"Bearer app:{KEY}", "Bearer \xff"]
    for value in wrong:
        for path in ("/v1/models", "/lineage", "/", "/docs.json", "/nowhere"):
            response = client.get(path, headers={"Authorization": value.encode("latin-1")})
            check_error(response, 401, code="invalid_api_key")
            assert response.headers["www-authenticate"] == "Bearer"
    for key in (KEY, OTHER):
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        assert client.get("/v1/models", headers={"Authorization": f"bearer  {key}"}).status_code == 200
    for path in ("/livez", "/readyz", "/healthz"):
        assert client.get(path).status_code == 200


def test_keys_are_replaced_without_a_restart(served, build_client, tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"app:{KEY}\n", "utf-8")
    client = build_client(served, keys=f"file:{file}")

    def ask(key):
        return client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code

    assert (ask(KEY), ask(OTHER)) == (200, 401)
    file.write_text(f"app:{OTHER}\n", "utf-8")
    assert (ask(KEY), ask(OTHER)) == (401, 200)
    file.unlink()
    assert ask(OTHER) == 500  # closed, not open
    file.write_text("\n", "utf-8")
    assert client.get("/v1/models").status_code == 500


@pytest.mark.parametrize(
    "value", ["app", "app:short", ":0123456789abcdef", f"app:{KEY},app:{OTHER}", "file:/nowhere", ","]
)
def test_an_error_in_the_keys_stops_the_start_and_names_no_key(value):
    with pytest.raises(SeodangError, match="SEODANG_API_KEYS") as caught:
        ApiKeys({"SEODANG_API_KEYS": value})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("::1", 200), ("127.0.0.2", 200), ("0.0.0.0", 403), ("10.0.0.5", 403), ("example.org", 403)],
)
def test_without_keys_only_loopback_is_served(serve, engine, host, status):
    engine.script = []
    assert is_loopback(host) is (status == 200)
    assert serve(Connection(arrive(BODY)), build_scope(server=(host, 80))).status == status
    assert serve(Connection(arrive(BODY)), build_scope(server=(host, 80)), keys=f"a:{KEY}").status == 401


def test_no_other_origin_is_allowed(client):
    headers = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    for response in (client.options("/generate", headers=headers), client.get("/lineage", headers=headers)):
        assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("abc-123_4.5", True), ("a" * 128, True), ("a" * 129, False), ("a b", False), ("\x1b[31m", False), ("", False)],
)
def test_a_sane_request_id_is_kept_and_every_answer_has_one(client, given, is_kept):
    for path in ("/v1/models", "/nowhere", "/livez"):
        response = client.get(path, headers={"X-Request-Id": given.encode()})
        assert (response.headers["x-request-id"] == given) is is_kept
        assert len(response.headers["x-request-id"]) >= 1


def test_a_log_that_cannot_be_written_stops_no_answer(client, capsys):
    class FullDisk(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    handler = logging.StreamHandler(FullDisk())
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("seodang")
    logger.addHandler(handler)
    try:
        assert client.get("/v1/models").status_code == 200
        assert client.post("/generate", json={"instruction": "가"}).status_code == 200
    finally:
        logger.removeHandler(handler)


def test_the_log_is_one_json_object_in_a_line_without_a_users_text(script, served, caplog):
    caplog.set_level(logging.DEBUG)
    client, engine = script([20, ValueError("비밀\n{forged}")])
    secret = "비밀\x1b[31m\nforged"
    client.post("/generate", json={"instruction": secret, secret: 1}, headers={"X-Request-Id": "first"})
    client.post("/v1/chat/completions", json={"model": secret, "messages": [{"role": "user", "content": secret}]})
    client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": secret}], "stream": True})
    client.get(f"/{secret.encode().hex()}%0Aforged%1B")
    client.request("비밀".encode().hex() + "FORGED", "/lineage")
    engine.script = []
    client.post("/generate", json={"instruction": secret})
    own = [record for record in caplog.records if record.name.startswith("seodang")]
    lines = [JsonFormatter().format(record) for record in own]
    entries = [json.loads(line) for line in lines]
    for line in lines:
        assert line.isascii()
        assert line.isprintable()
        for text in ("\\ube44\\ubc00", "orged", "x1b", "u001b"):
            assert text not in line
    assert entries[0]["request_id"] == "first"
    assert [entry["status"] for entry in entries if "status" in entry] == [400, 404, 200, 404, 405, 200]
    assert any(entry.get("error") == "ValueError" for entry in entries)
    assert not any(record.exc_info for record in own)
