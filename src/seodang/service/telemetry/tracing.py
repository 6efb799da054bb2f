"""OpenTelemetry: one span for each request, with the attributes of its GenAI conventions and no text.

Nothing of OpenTelemetry is imported unless the standard environment variables name an exporter.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.inference.engine.contract import AnswerStart, TokenRequest

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

current_span: ContextVar[RequestSpan | None] = ContextVar("current_span", default=None)
"""Span of the request that is answered; None where none is recorded."""
_EXPORTER: Final = "OTEL_TRACES_EXPORTER"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_ENTRY_POINTS: Final = "opentelemetry_traces_exporter"
_PACKAGES: Final = {
    "otlp_proto_http": "opentelemetry-exporter-otlp-proto-http",
    "otlp_proto_grpc": "opentelemetry-exporter-otlp-proto-grpc",
}
_OPERATIONS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "text_completion",
    "/generate": "generate_content",
    "/batch": "generate_content",
    "/choose": "choose",
}
_SERVER_ERROR: Final = 500


class RequestSpan:
    """The span of one request; its answers add what they know."""

    def __init__(self, span: Span, operation: str | None) -> None:
        self._span = span
        self._operation = operation
        self._prompts: dict[tuple[int, ...], int] = {}
        self._output_tokens = 0
        self._reasons: list[str] = []

    def begin_answer(self, model: str, version: str, request: TokenRequest) -> None:
        """Record model and options of an answer; they are those of all answers of a request.

        Args:
            model: Name of the served model.
            version: Its tag.
            request: The request.
        """
        options = request.options
        self._prompts[request.prompt] = 0
        if self._operation is not None:
            self._span.update_name(f"{self._operation} {model}")
        self._set("gen_ai.request.model", model)
        self._set("gen_ai.response.model", version)
        self._set("gen_ai.request.max_tokens", options.max_new_tokens)
        self._set("gen_ai.request.temperature", options.temperature)
        self._set("gen_ai.request.top_p", options.top_p)
        self._set("gen_ai.request.seed", options.seed)
        self._set("gen_ai.request.presence_penalty", options.presence_penalty or None)
        self._set("gen_ai.request.frequency_penalty", options.frequency_penalty or None)

    def start_answer(self, request: TokenRequest, start: AnswerStart) -> None:
        """Record that the computation of an answer has begun."""
        self._prompts[request.prompt] = max(self._prompts[request.prompt], start.cached_tokens)

    def end_answer(self, tokens: int, reason: str) -> None:
        """Record the number of tokens of an answer, and its finish reason."""
        self._output_tokens += tokens
        self._reasons.append(reason)

    def end(self, status: int | None, *, is_stream: bool, is_gone: bool) -> None:
        """Record the end of the request.

        Args:
            status: Of HTTP; None if the client went before there was one.
            is_stream: Whether the answer was a stream.
            is_gone: Whether the client went before the end.
        """
        if self._prompts:
            self._set("gen_ai.usage.input_tokens", sum(map(len, self._prompts)))
            self._set("gen_ai.usage.cache_read.input_tokens", sum(self._prompts.values()))
            self._set("gen_ai.usage.output_tokens", self._output_tokens)
            self._set("gen_ai.response.finish_reasons", self._reasons)
            self._set("gen_ai.request.choice.count", len(self._reasons) if len(self._reasons) > 1 else None)
            self._set("gen_ai.request.stream", is_stream)
        self._set("http.response.status_code", status)
        if is_gone:
            self._set("error.type", "client_disconnected")
        elif status is None or status >= _SERVER_ERROR or "error" in self._reasons:
            from opentelemetry.trace import StatusCode

            self._set("error.type", str(status))
            self._span.set_status(StatusCode.ERROR)
        self._span.end()

    def _set(self, name: str, value: str | int | float | Sequence[str] | None) -> None:
        if value is not None:
            self._span.set_attribute(name, value)


class RequestTracer:
    """Starts the spans of requests."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start(self, method: str, route: str, headers: Mapping[str, str]) -> RequestSpan:
        """Return the span of a request, a child of the client's one.

        BentoML's own span is not the parent: without an exporter of its own it is never sent.

        Args:
            method: Of HTTP.
            route: A path of this service.
            headers: Of the request; `traceparent` names the client's span.
        """
        from opentelemetry.context import Context
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        operation = _OPERATIONS.get(route)
        attributes = {"http.request.method": method, "http.route": route}
        if operation is not None:
            attributes |= {"gen_ai.operation.name": operation, "gen_ai.provider.name": "seodang"}
        parent = extract(headers, Context())
        span = self._tracer.start_span(f"{method} {route}", parent, SpanKind.SERVER, attributes)
        return RequestSpan(span, operation)


def load_exporters(environment: Mapping[str, str] | None = None) -> list[Callable[[], Any]]:
    """Return the exporters that the environment names; an empty list records nothing.

    Raises:
        SeodangError: If the package of an exporter is missing.
    """
    environment = os.environ if environment is None else environment
    names = [name.strip() for name in environment.get(_EXPORTER, "").split(",") if name.strip()]
    if not names and any(environment.get(name) for name in _ENDPOINTS):
        names = ["otlp"]
    if names == ["none"] or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return []
    return [_load_exporter(name, environment) for name in names]


def create_tracer(environment: Mapping[str, str] | None = None) -> RequestTracer | None:
    """Return the tracer that the environment describes; None if it names no exporter.

    Raises:
        SeodangError: If the package of an exporter is missing.
    """
    environment = os.environ if environment is None else environment
    exporters = load_exporters(environment)
    if not exporters:
        return None
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create({} if named else {SERVICE_NAME: "seodang"}))
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter()))
    return RequestTracer(provider.get_tracer("seodang"))


def _load_exporter(name: str, environment: Mapping[str, str]) -> Callable[[], Any]:
    if name == "otlp":
        protocol = next(
            (environment[variable] for variable in _PROTOCOLS if environment.get(variable)), "http/protobuf"
        )
        name = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    for entry_point in metadata.entry_points(group=_ENTRY_POINTS, name=name):
        with contextlib.suppress(ImportError):
            exporter: Callable[[], Any] = entry_point.load()
            return exporter
    raise SeodangError(
        _(
            "{variable}: there is no exporter {name}; install the package {package} with all that it needs",
            variable=_EXPORTER,
            name=name,
            package=_PACKAGES.get(name, "-"),
        )
    )
