"""What happens to every request before its route: id, key, size, time, disconnection, and the line in the log."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seodang.i18n import _
from seodang.service.context import ServiceContext
from seodang.service.http.api_error import ApiError, build_closing_error, build_server_error
from seodang.service.http.api_keys import ApiKeys
from seodang.service.http.rate_limits import Allowance, RateLimits
from seodang.service.http.request_access import check_access
from seodang.service.http.request_checks import AllowedHosts, check_header, choose_request_id, normalize_target
from seodang.service.http.request_marks import mark_request
from seodang.service.lifecycle.health import check_engine
from seodang.service.telemetry.json_log import describe_failure, request_id
from seodang.service.telemetry.tracing import RequestSpan, RequestTracer, current_span

logger = logging.getLogger(__name__)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OPEN_PATHS: Final = frozenset({"/livez", "/readyz", "/healthz", "/metrics", "/ui"})
"""Paths of probes and metrics, as BentoML's, and of the page that asks for the key; they need no key."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Bounds of a request before its route reads it."""

    body_bytes: int = 4 * 2**20
    body_seconds: float = 30.0
    """Time in which the complete body must arrive."""
    answer_seconds: float = 540.0
    """Time until the answer begins; BentoML gives up after 600."""


class _ClientGone(Exception):
    """The client closed the connection."""


class RequestGuard:
    """Reads the complete body, passes the request on, and cancels it when the client is gone."""

    def __init__(
        self,
        app: ASGIApp,
        context: ServiceContext,
        keys: ApiKeys,
        limits: RequestLimits,
        rates: RateLimits,
        tracer: RequestTracer | None,
        paths: frozenset[str],
    ) -> None:
        """Create the middleware.

        Args:
            app: The routes.
            context: Tells whether the service stops.
            keys: Of the clients.
            limits: Of size and time.
            rates: Of the requests of each key.
            tracer: Starts the spans of requests; None records none.
            paths: That the log may name; any other path may hold a user's text.
        """
        self._app = app
        self._context = context
        self._keys = keys
        self._hosts = AllowedHosts()
        self._limits = limits
        self._rates = rates
        self._tracer = tracer
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = normalize_target(scope)
        exchange = _Exchange(scope, send)
        token = request_id.set(exchange.id)
        span = self._start_span(scope, exchange)
        self._context.open_requests += 1
        try:
            await self._answer(scope, receive, exchange)
        finally:
            self._context.open_requests -= 1
            if span is not None:
                span.end(exchange.status, is_stream=exchange.is_stream, is_gone=exchange.is_gone)
            logger.info("request", extra={"fields": exchange.describe(self._paths)})
            request_id.reset(token)

    def _start_span(self, scope: Scope, exchange: _Exchange) -> RequestSpan | None:
        if self._tracer is None or scope["path"] in OPEN_PATHS:
            return None
        described = exchange.describe(self._paths)
        span = self._tracer.start(str(described["method"]), str(described["path"]), Headers(scope=scope))
        current_span.set(span)
        return span

    async def _answer(self, scope: Scope, receive: Receive, exchange: _Exchange) -> None:
        try:
            check_header(scope)
            if scope["path"] not in OPEN_PATHS:
                exchange.key = check_access(scope, self._keys, self._hosts)
                if self._context.is_stopping:
                    raise build_closing_error()
                check_engine(self._context)
            mark_request(Headers(scope=scope), exchange.key)
            if scope["method"] != "POST":
                await self._read_and_run(scope, receive, exchange)
                return
            exchange.allowance = self._rates.take(exchange.key, self._keys.get_limit(exchange.key))
            with self._rates.hold(exchange.key):
                await self._read_and_run(scope, receive, exchange)
        except _ClientGone:
            exchange.is_gone = True
        except ApiError as error:
            await error.build_response()(scope, receive, exchange.send)
        except Exception as error:
            logger.error("request failed", extra={"fields": describe_failure(error)})
            if exchange.status is None:
                await build_server_error().build_response()(scope, receive, exchange.send)

    async def _read_and_run(self, scope: Scope, receive: Receive, exchange: _Exchange) -> None:
        body = await self._read_body(scope, receive)
        exchange.closes = self._context.is_stopping
        await self._run(scope, receive, exchange, body)

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes:
        limit = self._limits.body_bytes
        length = Headers(scope=scope).get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:20]) > limit:
            raise _build_size_error(limit)
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientGone
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise _build_size_error(limit)
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError as error:
            raise ApiError(400, _("the body did not arrive in time"), code="body_timeout") from error

    async def _run(self, scope: Scope, receive: Receive, exchange: _Exchange, body: bytes) -> None:
        """Run the route; a client that is gone cancels it, streaming or not."""
        remaining = [body]

        async def replay() -> Message:
            if remaining:
                return {"type": "http.request", "body": remaining.pop(), "more_body": False}
            await asyncio.Event().wait()  # the watcher waits for the disconnection
            raise _ClientGone

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            if not exchange.is_complete:  # a server also reports the end of a complete answer as a disconnection
                exchange.is_gone = True
                route.cancel()

        route = asyncio.ensure_future(self._app(scope, replay, exchange.send))
        watcher = asyncio.create_task(watch())
        try:
            await asyncio.wait({route}, timeout=self._limits.answer_seconds)
            if not route.done() and exchange.status is None:
                route.cancel()
                raise ApiError(503, _("the answer takes too long; ask for fewer tokens"), code="answer_timeout")
            await route
        except asyncio.CancelledError:
            route.cancel()
            if not exchange.is_gone:
                raise
        finally:
            watcher.cancel()


class _Exchange:
    """A request and what is known about its answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.id = choose_request_id(Headers(scope=scope))
        self.key: str | None = None
        self.status: int | None = None
        self.allowance: Allowance | None = None
        self.is_gone = False
        self.is_complete = False
        self.is_stream = False
        self.closes = True
        """Whether the connection ends with the answer: the rest of a body is not read, or the service stops."""
        self._scope = scope
        self._send = send
        self._start = time.monotonic()

    async def send(self, message: Message) -> None:
        """Send a message of the answer, with the request's id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            self.is_stream = headers.get("content-type", "").startswith("text/event-stream")
            headers["X-Request-Id"] = self.id
            headers["X-Content-Type-Options"] = "nosniff"
            if self.allowance is not None:
                headers.update(self.allowance.format_headers())
            if self.closes:
                headers["Connection"] = "close"
        elif message["type"] == "http.response.body":
            self.is_complete = not message.get("more_body", False)
        await self._send(message)

    def describe(self, paths: frozenset[str]) -> dict[str, object]:
        """Return the fields of the line in the log; nothing of them is a user's text."""
        path = self._scope["path"]
        return {
            "request_id": self.id,
            "method": self._scope["method"] if self._scope["method"] in _METHODS else "other",
            "path": path if path in paths else "other",
            "status": self.status,
            "client_gone": self.is_gone,
            "key": self.key,
            "seconds": round(time.monotonic() - self._start, 4),
        }


def _build_size_error(limit: int) -> ApiError:
    return ApiError(413, _("the body may have at most {limit:,} bytes", limit=limit), code="body_too_large")
