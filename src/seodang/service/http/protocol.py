"""uvicorn's protocol of HTTP/1, with bounds for clients that send or read slowly, and with errors as JSON.

uvicorn has a time limit for idle connections alone. Without this class a client that sends half a header, or reads
nothing of its answer, would hold its connection and memory forever.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, Final

import h11
from starlette.datastructures import Headers
from uvicorn.protocols.http.h11_impl import H11Protocol

from seodang.i18n import _
from seodang.service.http.api_error import ApiError
from seodang.service.http.entrance import Entrance
from seodang.service.http.request_checks import choose_request_id
from seodang.service.telemetry.metrics import count_error

logger = logging.getLogger(__name__)

HEADER_SECONDS: Final = 10.0
"""Time in which the header of a request must arrive."""
READ_SECONDS: Final = 60.0
"""Time in which a client must read what it has been sent."""
MAX_CONNECTIONS: Final = 1024
_LINGER_SECONDS: Final = 2.0
_LINGER_BYTES: Final = 64 * 2**20
_PIPELINED_BYTES: Final = 64 * 2**10
_FINISHED: Final = frozenset({h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR, h11.SEND_BODY})
# Clients that vanish without closing are found by the kernel's own probes.
_SOCKET_OPTIONS: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 15),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", int(READ_SECONDS * 1000)),
)
_server_logger = logging.getLogger("uvicorn.error.seodang")
_server_logger.setLevel(logging.WARNING)
# The answer is logged as JSON, like all others.
_server_logger.addFilter(lambda record: not record.getMessage().startswith("Invalid HTTP request"))


class BoundedProtocol(H11Protocol):
    """One connection. A client that shuts down its sending side counts as gone, as in nginx and Go."""

    header_seconds = HEADER_SECONDS
    read_seconds = READ_SECONDS
    max_connections = MAX_CONNECTIONS

    def connection_made(self, transport: Any) -> None:
        """Start the time limit of the first header."""
        super().connection_made(transport)
        self.app, self.logger = Entrance(self.app), _server_logger
        self.transport = _LingeringTransport(transport, self)  # type: ignore[assignment]
        self.has_received = False
        self._header_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self.linger_timer: asyncio.TimerHandle | None = None
        self._lingered = 0
        _set_socket_options(transport.get_extra_info("socket"))
        self._start_header_timer()
        if len(self.connections) > self.max_connections:
            self._send_error(ApiError(503, _("there are too many connections; try again later"), code="connections"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all time limits."""
        self._stop_header_timer()
        for timer in (self._read_timer, self.linger_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        if self.linger_timer is not None:
            self._lingered += len(data)
            if self._lingered > _LINGER_BYTES:
                self.transport.abort()
            return
        self.has_received = True
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._start_header_timer()
            return
        self._stop_header_timer()
        # uvicorn stops reading at a pipelined request; then it would not notice that the client is gone.
        if self.flow.read_paused and self.conn.their_state is h11.DONE and self._count_waiting() < _PIPELINED_BYTES:
            self.flow.resume_reading()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._send_error(ApiError(400, _("the request is not valid HTTP/1.1"), code="invalid_http"))

    def pause_writing(self) -> None:
        """Start the time limit of a client that does not read; the kernel's buffer and uvicorn's are full."""
        super().pause_writing()
        self._read_timer = self.loop.call_later(self.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the time limit of reading."""
        if self._read_timer is not None:
            self._read_timer.cancel()
        super().resume_writing()

    def needs_linger(self) -> bool:
        """Return whether the client may still be sending.

        Closing then makes the kernel send a reset, which may reach the client before the answer.
        """
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR) or not self.has_received

    def _should_upgrade(self) -> bool:
        return False

    def _send_error(self, error: ApiError) -> None:
        if self.conn.our_state in _FINISHED:
            self.transport.close()
            return
        response = error.build_response()
        id = choose_request_id(Headers())
        response.headers.update({"X-Request-Id": id, "X-Content-Type-Options": "nosniff", "Connection": "close"})
        count_error(error.status, error.code)
        _log_error(error, id)
        events = (
            h11.Response(status_code=response.status_code, headers=response.raw_headers),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        )
        if self.cycle is not None:  # what answers this request must not answer, too
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        self.transport.close()

    def _start_header_timer(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.header_seconds, self._expire_header)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _expire_header(self) -> None:
        self._header_timer = None
        if self.transport.is_closing():
            return
        if self.has_received:
            self._send_error(ApiError(400, _("the header did not arrive in time"), code="header_timeout"))
        else:
            self.transport.abort()

    def _count_waiting(self) -> int:
        return len(self.conn.trailing_data[0])


class _LingeringTransport:
    """Closes a connection so that its last answer arrives: reads on for a while, as RFC 9112, 9.6 describes."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedProtocol) -> None:
        self._transport = transport
        self._protocol = protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._protocol.linger_timer is not None or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if not (self._protocol.needs_linger() and self._transport.can_write_eof()):
            self._transport.close()
            return
        self._transport.write_eof()
        self._protocol.flow.resume_reading()
        self._protocol.linger_timer = self._protocol.loop.call_later(_LINGER_SECONDS, self._transport.abort)


def _log_error(error: ApiError, id: str) -> None:
    """Log an answer to what is no request; the fields are those of a request."""
    fields = {"request_id": id, "method": "other", "path": "other", "status": error.status, "code": error.code}
    logger.info("request", extra={"fields": fields})


def _set_socket_options(connection: Any) -> None:
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    for level, name, value in _SOCKET_OPTIONS:
        if hasattr(socket, name):  # Linux has all of them
            connection.setsockopt(level, getattr(socket, name), value)
