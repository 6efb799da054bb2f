"""The DVC process of a flow run, which runs its commands one after another (flows/dvc_server.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final
from uuid import uuid4

from flows.process_guard import guard_process
from seodang.orchestration.environment import build_environment

_SERVER: Final = Path(__file__).with_name("dvc_server.py")
_KILLED: Final = 137  # of a shell, after SIGKILL


class DvcProcess:
    """Runs DVC's commands in a folder; starts with the first one, and again after it was killed."""

    def __init__(self, folder: Path, keep_open: Sequence[int]) -> None:
        """Prepare for commands in the folder of a project; `keep_open` as of `guard_process`."""
        self.folder = folder
        self._keep_open = keep_open
        self._stack = ExitStack()
        self._process: subprocess.Popen[str] | None = None
        self._requests = -1

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Generator[str, None, int]:
        """Yield the lines of a command; return its exit code.

        Args:
            arguments: Of DVC.
            environment: Variables beside those of a stage.
        """
        process = self._start()
        token = uuid4().hex
        request = {"arguments": list(arguments), "environment": dict(environment), "token": token}
        is_complete = False
        try:
            os.write(self._requests, f"{json.dumps(request)}\n".encode())
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(token):
                    is_complete = True
                    return int(line.split()[1])
                yield line
            return _KILLED
        except BrokenPipeError:
            return _KILLED
        finally:
            if not is_complete:  # nobody knows what it does now
                self.close()

    def _start(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            requests, self._requests = os.pipe()
            self._stack.callback(os.close, self._requests)
            with os.fdopen(requests):
                self._process = self._stack.enter_context(
                    guard_process(
                        [sys.executable, "-P", str(_SERVER), str(requests)],  # -P: no module of this folder in its way
                        cwd=self.folder,
                        env=build_environment(self.folder),
                        output=subprocess.PIPE,
                        keep_open=self._keep_open,
                        inherited=(requests,),
                    )
                )
        return self._process

    def close(self) -> None:
        """End the process and all that it has started."""
        self._stack.close()
        self._process = None


_current: ContextVar[DvcProcess | None] = ContextVar("dvc_process", default=None)


@contextmanager
def keep_dvc_process(folder: Path, keep_open: Sequence[int] = ()) -> Iterator[None]:
    """Let the commands of DVC in a folder share a process while the block runs; it ends with the block.

    Args:
        folder: Of the project.
        keep_open: Descriptors that stay open until the process and its children have ended.
    """
    with closing(DvcProcess(folder, keep_open)) as process:
        token = _current.set(process)
        try:
            yield
        finally:
            _current.reset(token)


def get_dvc_process(folder: Path) -> DvcProcess | None:
    """Return the DVC process of the current flow run, if it has one for a folder."""
    process = _current.get()
    return process if process is not None and process.folder == folder else None
