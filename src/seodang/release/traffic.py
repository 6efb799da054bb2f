"""Who answers: the router in front of two services, or one service on the port that clients use."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psutil

from seodang.errors import ReleaseError, SeodangError
from seodang.i18n import _
from seodang.paths import Paths
from seodang.release.router import ROLES, Role, Router, find_program, write_config
from seodang.release.services import check_free, iter_marked, list_services, stop_processes, stop_service, wait_for_end
from seodang.release.versions import RunningService

_HOST: Final = "127.0.0.1"
_MARK: Final = "SEODANG_ROUTER"  # environment variable of a router that a release started: port, project
_LOG: Final = "haproxy.log"
_WAIT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1


def start_router(paths: Paths, port: int, live: int) -> Router:
    """Return the router; if none runs, start one that sends every request to the live service.

    It outlives this process. `seodang canary route` in a terminal is as good.

    Raises:
        ReleaseError: If HAProxy is not installed, or the port cannot be used.
    """
    router = Router(paths.router)
    if router.is_running():
        return router
    program = find_program()
    check_free(port)
    config = write_config(paths.router, address=_HOST, port=port, reference=live, candidate=live)
    with (paths.router / _LOG).open("ab") as log:
        subprocess.Popen(
            [program, "-db", "-f", config.name],
            cwd=paths.router,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, _MARK: f"{port} {paths.root.resolve()}"},
        )
    _wait_for(router.is_running, _("the router did not start; see {log}", log=paths.router / _LOG))
    return router


def stop_all(paths: Paths, seconds: float) -> list[int]:
    """Stop the router and the services that releases started, after their requests; return their ports.

    Args:
        paths: Of the project.
        seconds: For the requests; then a process is killed.
    """
    routers = list(iter_marked(_MARK, paths))
    services = list_services(paths)
    for process, _port in routers:  # SIGUSR1: no new connection, and an end after the last request
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGUSR1)
    wait_for_end([process for process, _port in routers], seconds)
    stop_processes([process for process, _port in routers], seconds)
    for service in services:
        stop_service(paths, service, seconds)
    return sorted({*(int(port) for _process, port in routers), *(service.port for service in services)})


def place_candidate(router: Router, live: int, new: int) -> None:
    """Make the live service the reference, and a ready one the candidate, without any request yet.

    Args:
        router: Runs; a service that answers stays one that answers at every moment.
        live: Port of the service that answers today.
        new: Port of the new one.
    """
    _move(router, "reference", live)
    router.set_share(0.0)
    _move(router, "candidate", new)


def give_all_to(router: Router, port: int) -> None:
    """Send every new request to a ready service."""
    ports = router.read_ports()
    role = next((role for role in ROLES if ports[role] == port), None)
    if role is None:  # the one that answers now keeps its requests until the other one is reachable
        role = "reference" if router.read_share() > 1 / 2 else "candidate"
        _move(router, role, port)
    router.set_share(1.0 if role == "candidate" else 0.0)


def get_live_port(router: Router) -> int:
    """Return the port of the service with most requests."""
    return router.read_ports()["candidate" if router.read_share() > 1 / 2 else "reference"]


def find_answering(paths: Paths, tag: str, key: str, others: list[int]) -> int | None:
    """Return the port of a running service that answers with a model; None if there is none.

    Args:
        paths: Of the project.
        tag: Of the model.
        key: Of the services.
        others: Ports beside those of the router and of the services that releases started.
    """
    router = Router(paths.router)
    ports = list(router.read_ports().values()) if router.is_running() else []
    for port in dict.fromkeys([*ports, *(service.port for service in list_services(paths)), *others]):
        if ask_tag(port, key) == tag:
            return port
    return None


def ask_tag(port: int, key: str) -> str | None:
    """Return the tag of the model that a service answers with; None if it does not answer."""
    try:
        return RunningService(port, key).ask_version()
    except SeodangError:
        return None


def _move(router: Router, role: Role, port: int) -> None:
    if router.read_ports()[role] != port:
        router.set_port(role, port)
    text = _("the router cannot reach the service on port {port}", port=port)
    _wait_for(lambda: router.is_up(role), text)


def _wait_for(condition: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ReleaseError(problem)
        time.sleep(_POLL_SECONDS)
