"""Spans arrive at a receiver of OpenTelemetry, by the exporter of requirements-otlp.lock.

Run: pytest -m slow tests/service/test_otlp.py
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.constants import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from lock_requirements import read_pins

LOCK = ROOT / "requirements-otlp.lock"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "비밀"


class Receiver(ThreadingHTTPServer):
    """Keeps what an exporter of OTLP/HTTP sends to /v1/traces."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[dict[str, str], ExportTraceServiceRequest]] = []
        self.refusals = 0
        """Requests that are answered with 503 first."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def list_spans(self) -> list[Any]:
        """Return all spans that arrived."""
        return [
            span
            for _headers, request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refusals:
            self.server.refusals -= 1
            self.send_response(503)
        else:
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            body = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            request = ExportTraceServiceRequest()
            request.ParseFromString(body)
            self.server.requests.append(({name.lower(): value for name, value in self.headers.items()}, request))
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    yield receiver
    receiver.shutdown()
    receiver.server_close()


@pytest.fixture(scope="module")
def exporter(tmp_path_factory) -> Path:
    """The folder with the packages of the lock, installed by their hashes as `make otlp` does."""
    folder = tmp_path_factory.mktemp("otlp")
    options = ["--no-deps", "--require-hashes", "-q", "--target", str(folder), "-r", str(LOCK)]
    subprocess.run([sys.executable, "-m", "uv", "pip", "install", *options], check=True)
    return folder


@pytest.fixture
def serve(packaged_model, exporter, tmp_path, find_free_port, run_server):
    """Serves the tiny model, whose spans go to an address."""

    def serve(endpoint: str, **variables: str) -> Any:
        port = find_free_port()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(exporter))),
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_SERVICE_NAME": "seodang-test",
            "OTEL_BSP_SCHEDULE_DELAY": "200",  # milliseconds between two exports
            **variables,
        }
        command = [sys.executable, str(ROOT / "tests/service/run_app.py"), str(packaged_model), str(port)]
        url = f"http://127.0.0.1:{port}"
        return url, run_server(command, url, cwd=tmp_path, environment=environment, log=tmp_path / "log")

    return serve


def chat(url: str) -> Any:
    body = json.dumps({"messages": [{"role": "user", "content": SECRET}], "max_tokens": 3}).encode()
    headers = {"Content-Type": "application/json", "traceparent": f"00-{TRACE}-{PARENT}-01"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def wait_for_spans(receiver: Receiver, count: int) -> list[Any]:
    end = time.monotonic() + 60
    while len(receiver.list_spans()) < count:
        assert time.monotonic() < end, f"{len(receiver.list_spans())} of {count} spans arrived"
        time.sleep(0.05)
    return receiver.list_spans()


@pytest.mark.slow
def test_spans_arrive_with_the_attributes_and_without_text(serve, receiver):
    url, running = serve(receiver.url, OTEL_EXPORTER_OTLP_HEADERS="x-tenant=seodang")
    with running:
        usage = chat(url)["usage"]
        (span,) = wait_for_spans(receiver, 1)
    headers, request = receiver.requests[0]
    assert headers["x-tenant"] == "seodang"
    resource = {item.key: item.value.string_value for item in request.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "seodang-test"
    assert span.name == "chat tiny"
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    attributes = {item.key: item.value for item in span.attributes}
    assert attributes["gen_ai.request.model"].string_value == "tiny"
    assert attributes["gen_ai.usage.output_tokens"].int_value == usage["completion_tokens"]
    assert attributes["http.response.status_code"].int_value == 200
    assert SECRET.encode() not in request.SerializeToString()


@pytest.mark.slow
def test_the_last_spans_arrive_although_the_service_stops(serve, receiver):
    url, running = serve(receiver.url, OTEL_BSP_SCHEDULE_DELAY="600000")
    with running:
        for _ in range(5):
            chat(url)
    assert len(wait_for_spans(receiver, 5)) == 5


@pytest.mark.slow
def test_requests_are_answered_while_the_receiver_refuses_or_is_gone(serve, receiver):
    receiver.refusals = 2
    url, running = serve(receiver.url)
    with running:
        chat(url)
        assert len(wait_for_spans(receiver, 1)) == 1  # sent again
        receiver.shutdown()
        receiver.server_close()
        started = time.monotonic()
        for _ in range(5):
            chat(url)
        assert time.monotonic() - started < 30


def test_the_lock_of_the_exporter_fits_the_lock_of_the_project():
    pins, own = (
        dict(pin.split("==") for pin in read_pins((ROOT / name).read_text("utf-8")))
        for name in ("requirements.lock", LOCK.name)
    )
    assert {name: pins[name] for name in own if name in pins} == {name: own[name] for name in own if name in pins}
    assert "opentelemetry-exporter-otlp-proto-http" in own
    assert "opentelemetry-exporter-otlp-proto-http" not in pins  # else it would be loaded for all
