"""Run a command that ends when the process that started it ends, even by SIGKILL.

Prefect cancels a flow run with SIGTERM, then with SIGKILL, and no `finally` block runs after SIGKILL. DVC and the
training would continue and keep the lock of the project. So this file runs as a script between the owner and the
command. It reads from a pipe of the owner; when the pipe closes, it ends the process group of the command. The script
starts with every stage, so it imports only the standard library.
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
_COMMAND_NOT_FOUND = 127  # as a shell returns it


@contextlib.contextmanager
def guard_process(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: int | IO[str],
    keep_open: Sequence[int] = (),
    inherited: Sequence[int] = (),
) -> Iterator[subprocess.Popen[str]]:
    """Start `command` in a new process group; when the block ends, the group ends too.

    Args:
        command: Program and arguments.
        cwd: Working folder of the command.
        env: Complete environment of the command.
        output: Receives stdout and stderr: subprocess.PIPE or an open file.
        keep_open: Descriptors that stay open until the group has ended, such as that of a lock on its files.
        inherited: Descriptors that the command reads or writes.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", __file__, ",".join(map(str, inherited)), *command],
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        pass_fds=(*keep_open, *inherited),
    )
    try:
        yield process
    finally:
        _stop_process(process)


def _stop_process(process: subprocess.Popen[str]) -> None:
    """Close the pipe, which ends the group, and wait; kill the group if this script hangs."""
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


def main(inherited: Sequence[int], command: Sequence[str]) -> int:
    """Run `command` and return its exit code as a shell does; end its group when stdin closes."""
    signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the command would inherit
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=inherited)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return _COMMAND_NOT_FOUND
    for descriptor in inherited:
        os.close(descriptor)  # a pipe ends when the command ends
    is_ending = threading.Event()
    watcher = threading.Thread(target=_end_group_at_end_of_input, args=(child, is_ending), daemon=True)
    watcher.start()
    code = child.wait()
    if is_ending.is_set():
        watcher.join()  # until the descendants of the command have ended too
    return code if code >= 0 else 128 - code


def _end_group_at_end_of_input(child: subprocess.Popen[bytes], is_ending: threading.Event) -> None:
    """Send the group SIGINT, as Ctrl-C does, so that stages clean up; after the grace period, kill it."""
    os.read(0, 1)
    is_ending.set()
    os.killpg(0, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main([int(descriptor) for descriptor in sys.argv[1].split(",") if descriptor], sys.argv[2:]))
