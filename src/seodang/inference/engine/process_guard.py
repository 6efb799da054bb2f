"""End processes that a library starts when this process ends, however it ends: by a signal, a crash, or `kill -9`.

A small process of its own waits for that end. It finds the others by a variable of their environment, which they
inherit. It runs this file with a bare Python, so nothing but the standard library may be imported here. Linux only.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

VARIABLE: Final = "SEODANG_GUARDED_BY"
_TRACKER: Final = b"multiprocessing.resource_tracker"
"""Ends by itself after its parent, and ignores SIGTERM."""
_POLL_SECONDS: Final = 0.5
_TERM_SECONDS: Final = 5.0
"""Time between SIGTERM and SIGKILL."""
_END_SECONDS: Final = 10.0


class ProcessGuard:
    """Watches this process. Processes that begin after start() inherit the variable, unless they are forked only."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @classmethod
    def start(cls) -> ProcessGuard:
        """Mark the environment of this process, and start the process that watches it."""
        environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
        mark = uuid.uuid4().hex
        os.environ[VARIABLE] = mark
        command = [sys.executable, "-I", "-S", __file__, mark, str(os.getpid())]
        # A session of its own: signals for the group of the service, such as Ctrl-C, do not reach it.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)
        return cls(process)

    def end(self) -> None:
        """End what is left of the processes now."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)


def find_marked(mark: str) -> list[int]:
    """Return the ids of the processes whose environment has the mark."""
    entry = f"{VARIABLE}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or belongs to another user
            is_marked = entry in (folder / "environ").read_bytes().split(b"\0")
            if is_marked and _TRACKER not in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def send(signal_number: int, pids: Iterable[int]) -> None:
    """Send a signal to processes; those that have ended are left out."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal_number)


def watch(mark: str, parent: int) -> None:
    """Wait until the standard input ends or the parent has ended, and end the marked processes.

    Args:
        mark: In the environment of the processes.
        parent: Id of the process that is watched.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.getppid() == parent:  # a forked child of the parent may hold the other end of the pipe
        if select.select([sys.stdin], [], [], _POLL_SECONDS)[0]:
            break
    send(signal.SIGTERM, find_marked(mark))
    end = time.monotonic() + _TERM_SECONDS
    while find_marked(mark) and time.monotonic() < end:
        time.sleep(0.1)
    while remaining := find_marked(mark):  # a process that begins meanwhile is ended, too
        send(signal.SIGKILL, remaining)
        time.sleep(0.1)


if __name__ == "__main__":
    watch(sys.argv[1], int(sys.argv[2]))
