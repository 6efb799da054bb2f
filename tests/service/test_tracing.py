"""Spans of requests for OpenTelemetry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.testclient import TestClient

from seodang.errors import SeodangError
from seodang.service.context import ServiceContext
from seodang.service.http.api_keys import ApiKeys
from seodang.service.telemetry.tracing import RequestTracer, create_tracer
from seodang.service.web_app import create_app

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class TracedClient:
    """A client of an application whose spans are kept."""

    def __init__(self, context: ServiceContext) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        tracer = RequestTracer(provider.get_tracer("test"))
        app = create_app(context, keys=ApiKeys({}), tracer=tracer)
        self.client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)

    def trace(self, path: str, body: Any = None, method: str = "POST", **headers: str) -> ReadableSpan:
        self.exporter.clear()
        self.client.request(method, path, json=body, headers=headers)
        (span,) = self.exporter.get_finished_spans()
        return span


@pytest.fixture(scope="module")
def traced(served) -> TracedClient:
    return TracedClient(served)


@pytest.fixture
def trace_script(script) -> Callable[..., TracedClient]:
    return lambda *items: TracedClient(script(*items)[0].app.state.context)


def test_a_chat_has_the_attributes_of_the_conventions(traced):
    body = {"messages": [{"role": "user", "content": "안녕"}], "max_tokens": 3, "temperature": 0.5, "seed": 7, "n": 2}
    span = traced.trace("/v1/chat/completions", body)
    usage = traced.client.post("/v1/chat/completions", json=body).json()["usage"]
    assert (span.name, span.kind) == ("chat tiny", SpanKind.SERVER)
    reasons = span.attributes["gen_ai.response.finish_reasons"]
    assert set(reasons) <= {"stop", "length"}
    expected = {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "seodang",
        "gen_ai.request.model": "tiny",
        "gen_ai.response.model": "tiny:0123456789ab",
        "gen_ai.request.max_tokens": 3,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 1.0,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.stream": False,
        "gen_ai.usage.input_tokens": usage["prompt_tokens"],
        "gen_ai.usage.output_tokens": usage["completion_tokens"],
    }
    assert expected.items() <= dict(span.attributes).items()
    assert len(reasons) == 2
    assert span.status.status_code == StatusCode.UNSET
    assert span.end_time > span.start_time


def test_tokens_from_the_prefix_cache_are_recorded(traced):
    body = {"prompt": [7] * 100, "max_tokens": 1}
    cached = [traced.trace("/v1/completions", body).attributes["gen_ai.usage.cache_read.input_tokens"] for _ in "ab"]
    assert cached[0] < cached[1] < 100


def test_a_stream_is_recorded_to_its_end(traced):
    body = {"prompt": "가", "max_tokens": 5, "stream": True, "logit_bias": {"0": -100}}
    span = traced.trace("/v1/completions", body)
    assert span.name == "text_completion tiny"
    assert span.attributes["gen_ai.request.stream"] is True
    assert 1 <= span.attributes["gen_ai.usage.output_tokens"] <= 5


def test_the_span_is_a_child_of_the_client_s_one(traced):
    span = traced.trace("/generate", {"instruction": "가"}, traceparent=f"00-{TRACE}-{PARENT}-01")
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert traced.trace("/generate", {"instruction": "가"}).parent is None


def test_a_client_that_samples_nothing_gets_no_span(traced):
    traced.exporter.clear()
    traced.client.post("/generate", json={"instruction": "가"}, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert traced.exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/generate", {"instruction": ""}, 400), ("/v1/models", None, 405), ("/시", None, 404)],
)
def test_a_refused_request_has_its_status_and_is_no_failure(traced, path, body, status):
    span = traced.trace(path, body)
    assert span.attributes["http.response.status_code"] == status
    assert span.status.status_code == StatusCode.UNSET


def test_a_failure_of_the_model_is_an_error(trace_script):
    for body in ({}, {"stream": True}):
        span = trace_script([5, RuntimeError()]).trace("/v1/completions", {"prompt": "가", **body})
        assert span.status.status_code == StatusCode.ERROR
        assert span.attributes["gen_ai.response.finish_reasons"] == ("error",)


def test_no_span_has_a_text_of_a_request(traced):
    secret = "비밀"
    bodies = {
        "/generate": {"instruction": secret, "model": secret},
        "/v1/chat/completions": {"messages": [{"role": "user", "content": secret}], "user": secret, "stop": secret},
        "/v1/completions": {"prompt": secret, "model": "tiny"},
        f"/{secret}": {},
        f"/v1/models/{secret}": {},
    }
    for path, body in bodies.items():
        span = traced.trace(path, body)
        assert secret not in span.to_json()
        assert ascii(secret)[1:-1] not in span.to_json()


def test_probes_and_metrics_have_no_span(traced):
    traced.exporter.clear()
    for path in ("/livez", "/readyz", "/healthz", "/metrics"):
        traced.client.get(path)
    assert traced.exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"},
    ],
)
def test_without_an_exporter_there_is_no_tracer(environment):
    assert create_tracer(environment) is None


@pytest.mark.parametrize(
    ("environment", "package"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "proto-grpc"),
        ({"OTEL_TRACES_EXPORTER": "poem"}, "poem"),
    ],
)
def test_a_missing_exporter_is_an_error_at_start(environment, package, monkeypatch):
    monkeypatch.setattr("seodang.service.telemetry.tracing.metadata.entry_points", lambda **_fields: [])
    with pytest.raises(SeodangError, match=package):
        create_tracer(environment)


def test_the_console_exporter_of_the_sdk_is_found():
    assert create_tracer({"OTEL_TRACES_EXPORTER": "console"}) is not None


def test_nothing_of_opentelemetry_is_imported_without_an_exporter():
    code = (
        "import sys, seodang.service.telemetry.tracing as tracing; assert tracing.create_tracer({}) is None;"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
