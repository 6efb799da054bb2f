"""Stop the service: finish what runs, refuse what comes, and end with exit code 0.

uvicorn's own shutdown first closes its socket, so that a client that connects meanwhile gets a reset. It waits for
running requests without a limit, and ends with the signal as its exit code.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Mapping
from typing import Any, Final

from uvicorn import Server

from seodang.service.context import ServiceContext
from seodang.service.http.protocol import BoundedProtocol
from seodang.service.lifecycle.connection_filter import drop_new_connections
from seodang.service.settings import read_seconds

logger = logging.getLogger(__name__)
VARIABLE: Final = "SEODANG_DRAIN_SECONDS"
_DRAIN_SECONDS: Final = 30.0
_MAX_SECONDS: Final = 3600.0
_FLUSH_SECONDS: Final = 3.0
"""Time for the last events of requests that were cut."""
_HANDSHAKE_SECONDS: Final = 0.2
"""Time for connections that were being made when the service stopped to take new ones."""
_LAST_SECONDS: Final = 0.3
"""Time for requests whose connection was accepted last."""
_FIRST_SECONDS: Final = 2.0
"""Time for the first request of connections that have sent nothing then."""
_SAME_SIGNAL_SECONDS: Final = 1.0
"""Ctrl-C reaches a worker of BentoML twice: from the terminal and from its parent."""
_KILL_SECONDS: Final = 15.0
"""Time after all bounds, after which a step that does not end is given up with the process."""


def read_drain_seconds(environment: Mapping[str, str] | None = None) -> float:
    """Return the time in which running requests may finish: SEODANG_DRAIN_SECONDS, 0 to 3600, by default 30.

    Raises:
        SeodangError: If the variable is no such number.
    """
    return read_seconds(VARIABLE, default=_DRAIN_SECONDS, minimum=0, maximum=_MAX_SECONDS, environment=environment)


class Drain:
    """Stops a server of uvicorn after SIGTERM or SIGINT; a second signal cuts what still runs."""

    def __init__(self, context: ServiceContext, server: Server, seconds: float) -> None:
        """Create the handler of the signals; in the thread of the event loop.

        Args:
            context: Of the application.
            server: The server.
            seconds: Time in which running requests may finish.
        """
        self._context = context
        self._server = server
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._is_cut = False
        self._task: asyncio.Task[None] | None = None
        self._start = 0.0

    def install(self) -> None:
        """Take the place of the server's handlers of the signals."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_signal)

    def handle_signal(self, number: int, _frame: Any) -> None:
        """Begin to drain, or cut; in the main thread, between any two instructions."""
        self._loop.call_soon_threadsafe(self._receive)

    def _receive(self) -> None:
        if self._task is None:
            self._start = self._loop.time()
            self._context.is_stopping = True
            _start_watchdog(self._seconds + _FLUSH_SECONDS + _KILL_SECONDS)
            self._task = self._loop.create_task(self._drain())
        elif self._loop.time() - self._start > _SAME_SIGNAL_SECONDS:
            self._is_cut = True

    async def _drain(self) -> None:
        logger.info("stopping", extra={"fields": {"open_requests": self._context.open_requests}})
        try:
            await self.wait_for_requests(self._seconds, may_cut=True)
            cut = self._context.open_requests
            await self._context.close(0)
            await self.wait_for_requests(_FLUSH_SECONDS)
            await self.stop_listening()
            await self.wait_for_requests(_FLUSH_SECONDS)
            logger.info("stopped", extra={"fields": {"cut_requests": cut}})
        finally:
            self._server.should_exit = True

    async def wait_for_requests(self, seconds: float, *, may_cut: bool = False) -> None:
        """Wait until no request is open, or the time is over; a second signal ends the wait if `may_cut`."""
        end = self._loop.time() + seconds
        while self._context.open_requests and self._loop.time() < end and not (may_cut and self._is_cut):
            await asyncio.sleep(0.02)

    async def stop_listening(self) -> None:
        """Close the listening sockets, so that new clients are refused, and answer those that came just before.

        The kernel resets the connections that wait in a socket when it is closed, so none may come any more before
        that. The parent of a worker has the socket, too; only shutting it down makes the kernel refuse connections.
        """
        listeners = [item for server in self._server.servers for item in server.sockets]
        copies = [socket.socket(fileno=os.dup(listener.fileno())) for listener in listeners]
        for copy in copies:
            drop_new_connections(copy)
        await asyncio.sleep(_HANDSHAKE_SECONDS)  # accept what waits
        for server in self._server.servers:
            server.close()
        for copy in copies:
            with copy:
                copy.shutdown(socket.SHUT_RDWR)
        await asyncio.sleep(_LAST_SECONDS)
        end = self._loop.time() + _FIRST_SECONDS
        while self._has_fresh_connections() and self._loop.time() < end:
            await asyncio.sleep(0.02)

    def _has_fresh_connections(self) -> bool:
        connections = self._server.server_state.connections
        return any(isinstance(each, BoundedProtocol) and not each.has_received for each in connections)


def _start_watchdog(seconds: float) -> None:
    def end() -> None:
        logger.error("the service did not stop in time")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
