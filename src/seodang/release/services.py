"""The services that releases started. The table of processes is the only record of them, so none is ever stale.

A service carries project, port and model in its environment. It outlives the command that started it.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import requests

from seodang.config.release import ReleaseParams
from seodang.errors import ReleaseError, UnfitForService
from seodang.i18n import _
from seodang.paths import Paths

_MARK: Final = "SEODANG_RELEASE"  # environment variable of a service: port, tag of the model, project
_OF_A_STAGE: Final = ("SEODANG_LOG_FORMAT", "SEODANG_PROGRESS_FILE")  # a flow that releases has them
_HOST: Final = "127.0.0.1"
_POLL_SECONDS: Final = 0.2
_TAIL_LINES: Final = 8


@dataclass(frozen=True, slots=True)
class ManagedService:
    """A running service, ready or not."""

    port: int
    tag: str
    """Of the model that it was started for."""
    leader: int
    """Process id of its supervisor."""


def list_services(paths: Paths) -> list[ManagedService]:
    """Return the services of a project that this user's releases started, by port."""
    return sorted({service for service, _process in _iter_processes(paths)}, key=lambda each: each.port)


def find_service(paths: Paths, *, port: int | None = None, tag: str | None = None) -> ManagedService | None:
    """Return a service whose supervisor runs, by port, by tag or by both."""
    for each in list_services(paths):
        if port in (None, each.port) and tag in (None, each.tag) and _is_alive(each.leader):
            return each
    return None


def start_service(paths: Paths, params: ReleaseParams, port: int, tag: str) -> ManagedService:
    """Start a service; it is not ready when this function returns.

    Raises:
        ReleaseError: If another program uses the port, or there is no such command.
    """
    check_free(port)
    log = get_log(paths, port)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = _build_command(params.serve_command, port, tag)
    environment = {name: value for name, value in os.environ.items() if name not in _OF_A_STAGE}
    environment[_MARK] = f"{port} {tag} {paths.root.resolve()}"
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=paths.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a signal to the release, or the end of its terminal, does not reach it
            )
    except OSError as error:
        raise ReleaseError(
            _(
                "release.serve_command {command} cannot be run: {error}",
                command=shlex.join(command),
                error=error.strerror,
            )
        ) from error
    return ManagedService(port, tag, process.pid)


def wait_until_ready(paths: Paths, service: ManagedService, seconds: float) -> None:
    """Wait until a service accepts requests.

    Raises:
        UnfitForService: If it ends, or is not ready in time.
    """
    deadline, log = time.monotonic() + seconds, get_log(paths, service.port)
    while not is_ready(service.port):
        if not _is_alive(service.leader):
            raise UnfitForService(
                _(
                    "the service of {tag} on port {port} ended; {log} ends with:\n{tail}",
                    tag=service.tag,
                    port=service.port,
                    log=log,
                    tail=_read_tail(log),
                ),
                "the service ended at its start",
            )
        if time.monotonic() > deadline:
            raise UnfitForService(
                _(
                    "the service of {tag} on port {port} was not ready within {seconds:g} s"
                    " (release.start_seconds); see {log}",
                    tag=service.tag,
                    port=service.port,
                    seconds=seconds,
                    log=log,
                ),
                f"the service was not ready within {seconds:g} s",
            )
        time.sleep(_POLL_SECONDS)


def stop_service(paths: Paths, service: ManagedService, seconds: float) -> None:
    """Stop a service: it finishes its requests, for a limited time; then all of its processes are killed."""
    processes = [process for other, process in _iter_processes(paths) if other == service]
    leader = [process for process in processes if process.pid == service.leader]
    stop_processes(leader, seconds)  # it ends its workers after their requests
    stop_processes([process for process in processes if process not in leader], seconds)


def is_ready(port: int) -> bool:
    """Return whether a service on a port accepts requests."""
    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy cannot reach this machine's loopback
            return session.get(f"http://{_HOST}:{port}/readyz", timeout=10).ok
    except requests.RequestException:
        return False


def find_free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def check_free(port: int) -> None:
    """Raise an error if another program uses a port.

    Raises:
        ReleaseError: If the port cannot be used.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as BentoML does
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ReleaseError(
                _(
                    "port {port} cannot be used ({error}); stop what uses it, or choose another port",
                    port=port,
                    error=error.strerror,
                )
            ) from error


def get_log(paths: Paths, port: int) -> Path:
    """Return the file with the output of the service on a port."""
    return paths.release / f"service-{port}.log"


def _build_command(template: str | None, port: int, tag: str) -> list[str]:
    if template is None:
        return [sys.executable, "-m", "seodang", "serve", "--port", str(port)]
    return [word.replace("{port}", str(port)).replace("{tag}", tag) for word in shlex.split(template)]


def _iter_processes(paths: Paths) -> Iterator[tuple[ManagedService, Any]]:
    """Yield each process of each service."""
    for process, mark in iter_marked(_MARK, paths):
        port, tag = mark.split(" ", 1)
        with suppress(OSError):  # it has ended
            yield ManagedService(int(port), tag, os.getsid(process.pid)), process


def iter_marked(variable: str, paths: Paths) -> Iterator[tuple[Any, str]]:
    """Yield each process of a project with a mark in its environment, and the mark without the project.

    Processes of other users have no readable environment.
    """
    project = f" {paths.root.resolve()}"
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(variable, "")
        except (psutil.Error, OSError):
            continue
        if mark.endswith(project):
            yield process, mark.removesuffix(project)


def stop_processes(processes: Sequence[Any], seconds: float) -> None:
    """Let processes end; kill those that still run after a time."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    for process in wait_for_end(processes, seconds):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for_end(processes, seconds)


def wait_for_end(processes: Sequence[Any], seconds: float) -> list[Any]:
    """Wait until processes have ended, and return those that still run after a time.

    One that has ended stays a zombie as long as the release that started it does not look.
    """
    deadline = time.monotonic() + seconds
    while (alive := [each for each in processes if _is_alive(each.pid)]) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return alive


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _read_tail(log: Path) -> str:
    lines: Sequence[str] = log.read_text("utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:])
