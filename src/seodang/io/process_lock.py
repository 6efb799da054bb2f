"""A lock that the system releases when its process ends, however it ends: it never becomes stale."""

from __future__ import annotations

import fcntl
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LONGEST_COMMAND: Final = 80  # characters in a message


@contextmanager
def hold_process_lock(file: Path, report_waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock while the block runs; wait until no other process holds it.

    Other containers and users that see the file see the lock. On a file system without locks, the block runs unlocked.

    Args:
        file: Created with its folder where it does not exist; it stays.
        report_waiting: Called once with the process id and the command of the holder, if there is one.

    Raises:
        OSError: If the file cannot be created.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(descriptor, report_waiting)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, report_waiting: Callable[[str], None]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        report_waiting(os.pread(descriptor, 4096, 0).decode("utf-8", "replace").strip() or "?")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:  # a network file system without locks
        return
    _write_holder(descriptor)


def _write_holder(descriptor: int) -> None:
    """Note who holds the lock, for the message of those who wait."""
    command = shlex.join(["seodang", *sys.argv[1:]])[:_LONGEST_COMMAND]
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} ({command})\n".encode(), 0)
    except OSError:  # a full disk: the lock holds without the note
        return
