"""Take over the running server of uvicorn, which BentoML or `uvicorn` started: its protocol, signals and addresses."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import resource
import signal
import socket
import sys
from types import TracebackType
from typing import Final

from uvicorn import Server

from seodang.i18n import _
from seodang.service.context import ServiceContext
from seodang.service.http.api_keys import VARIABLE, ApiKeys, is_loopback
from seodang.service.http.protocol import MAX_CONNECTIONS, BoundedProtocol
from seodang.service.lifecycle.draining import Drain, read_drain_seconds
from seodang.service.lifecycle.engine_watch import end_with_engine
from seodang.service.lifecycle.process_end import stop_process

logger = logging.getLogger(__name__)
_CLOSE_SECONDS: Final = 5
_OTHER_FILES: Final = 256  # that a process opens beside its connections
_CONTAINER: Final = "BENTOML_CONTAINERIZED"
_NO_WORKER: Final = "No active process"
_SET_PARENT_DEATH_SIGNAL: Final = 1
_tasks: set[asyncio.Task[None]] = set()


def take_over_server(context: ServiceContext) -> bool:
    """Bound the server's connections, drain it at SIGTERM, end it with its engine, and refuse addresses that need keys.

    Called while the application starts: the server handles the signals already, and accepts connections later. The
    handler of the signals is the only way to the server that does not depend on who started it.

    Returns:
        Whether the process has a server of uvicorn; a test's client has none.

    Raises:
        SeodangError: If a setting has an error.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not isinstance(server, Server):
        return False
    server.config.http_protocol_class = BoundedProtocol
    server.config.timeout_graceful_shutdown = _CLOSE_SECONDS
    logging.getLogger("uvicorn.access").disabled = True  # it logs paths as they come
    _raise_file_limit(MAX_CONNECTIONS + _OTHER_FILES)
    drain = Drain(context, server, read_drain_seconds())
    drain.install()
    for work in (_check_addresses(server), end_with_engine(context, drain)):
        task = asyncio.get_running_loop().create_task(work)
        _tasks.add(task)  # the event loop keeps no reference
        task.add_done_callback(_tasks.discard)
    return True


def end_with_parent() -> None:
    """Let the kernel send SIGTERM to this process when its parent ends: a killed parent leaves no worker behind.

    Only Linux can do this.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def end_with_worker() -> None:
    """Let `bentoml serve` end with its worker, in one line; in the process of the command, before it starts the worker.

    BentoML starts a failing worker again forever, but in a container, where the container's supervisor does. There the
    command ends with a traceback that says nothing; the worker's log has the cause.
    """
    os.environ[_CONTAINER] = "true"
    original = sys.excepthook

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, RuntimeError) and str(error).startswith(_NO_WORKER):
            logger.critical(_("the service has ended with its worker; the lines before say why"))
        else:
            original(kind, error, trace)

    sys.excepthook = report


async def _check_addresses(server: Server) -> None:
    """Stop the process if anyone on the network could use it without a key."""
    while not server.started:
        await asyncio.sleep(0.02)
    if ApiKeys().load():
        return
    for listener in (item for started in server.servers for item in started.sockets):
        if listener.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(listener.getsockname()[0]):
            stop_process(_("without keys the service may listen on loopback only; set {variable}", variable=VARIABLE))


def _raise_file_limit(count: int) -> None:
    """Let the process open `count` files, if the system allows it: a connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft == resource.RLIM_INFINITY:
        return
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    BoundedProtocol.max_connections = max(min(MAX_CONNECTIONS, max(wanted, soft) - _OTHER_FILES), 1)
