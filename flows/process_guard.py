"""Run a command that cannot outlive the process that started it, however that one ends.

Prefect cancels a flow run with SIGTERM and, when that does not help, with SIGKILL, which no `finally`
survives; DVC and the training below it would go on and hold the project's lock. So a command runs below
this file, started as a script: it holds the reading end of a pipe, and when the pipe's other end closes,
on purpose or because its owner died, it ends the command's whole process group. Standard library only,
since it starts with every stage.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

GRACE_SECONDS = 10.0
_NOT_FOUND = 127  # a shell's exit code for it


@contextlib.contextmanager
def guard_process(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: int | IO[str]
) -> Iterator[subprocess.Popen[str]]:
    """Start `command` in a process group of its own; leaving the block ends what still runs of it.

    Both its outputs go to `output`: subprocess.PIPE, or an open file.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", __file__, *command],
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _stop_process(process)


def _stop_process(process: subprocess.Popen[str]) -> None:
    """Close the pipe, which ends the group, and wait; kill the group if even the leash hangs."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=GRACE_SECONDS + 5)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def main(command: Sequence[str]) -> int:
    """Run `command` and return its exit code, as a shell would; end its group when stdin closes."""
    signal.signal(signal.SIGINT, lambda *_: None)  # no SIG_IGN: the command would inherit that
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_FOUND
    ending = threading.Event()
    ender = threading.Thread(target=_end_group_at_end_of_input, args=(child, ending), daemon=True)
    ender.start()
    code = child.wait()
    if ending.is_set():
        ender.join()  # what the command left behind goes too
    return code if code >= 0 else 128 - code


def _end_group_at_end_of_input(child: subprocess.Popen[bytes], ending: threading.Event) -> None:
    """Interrupt the group as Ctrl-C would, so that stages tidy up; kill what doesn't heed it."""
    os.read(0, 1)
    ending.set()
    os.killpg(0, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
