"""Run a command of a flow run: its output goes to the log of the run, line by line, with levels."""

from __future__ import annotations

import logging
import subprocess
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from prefect import get_run_logger

from flows.dvc_commands import get_dvc_process
from flows.escaping import escape_log_line
from flows.process_guard import guard_process
from seodang.orchestration.environment import PROGRESS_VARIABLE, build_environment, parse_log_line

_MAX_LOG_LINES: Final = 200


class CommandFailed(Exception):
    """A command of a flow run failed."""


def run_logged(
    command: Sequence[str],
    folder: Path,
    *,
    progress_file: Path | None = None,
    keep_open: Sequence[int] = (),
    is_quiet: bool = False,
) -> tuple[int, list[str]]:
    """Run a command and return its exit code and its last lines.

    Args:
        command: Program and arguments.
        folder: Of the project, in which the command runs.
        progress_file: Training writes its progress there.
        keep_open: Descriptors that stay open until the command and its children have ended.
        is_quiet: Log at level DEBUG, because the lines are data for a program.
    """
    logger = get_run_logger()
    lines: deque[str] = deque(maxlen=_MAX_LOG_LINES)
    level = logging.INFO
    with closing(_start(command, folder, progress_file, keep_open)) as output:
        while True:
            try:
                level, text = parse_log_line(next(output), level)
            except StopIteration as end:
                return end.value, list(lines)
            if text.strip():
                lines.append(escape_log_line(text))
                logger.log(logging.DEBUG if is_quiet else level, "%s", lines[-1])


def _start(
    command: Sequence[str], folder: Path, progress_file: Path | None, keep_open: Sequence[int]
) -> Generator[str, None, int]:
    """Yield the lines of a command and return its exit code; commands of DVC run in the process of the flow run."""
    process = get_dvc_process(folder) if command[0] == "dvc" else None
    if process is None:
        return _run_alone(command, folder, progress_file, keep_open)
    return process.run(command[1:], {} if progress_file is None else {PROGRESS_VARIABLE: str(progress_file)})


def _run_alone(
    command: Sequence[str], folder: Path, progress_file: Path | None, keep_open: Sequence[int]
) -> Generator[str, None, int]:
    environment = build_environment(folder, progress_file)
    with guard_process(command, cwd=folder, env=environment, output=subprocess.PIPE, keep_open=keep_open) as process:
        assert process.stdout is not None
        yield from process.stdout
        return process.wait()


def run_dvc(
    arguments: Sequence[str], folder: Path, *, keep_open: Sequence[int] = (), is_quiet: bool = False
) -> list[str]:
    """Run a command of DVC and return its last lines.

    Raises:
        CommandFailed: With DVC's message.
    """
    code, lines = run_logged(["dvc", *arguments], folder, keep_open=keep_open, is_quiet=is_quiet)
    if code != 0:
        raise CommandFailed("\n".join([f"dvc {' '.join(arguments)}", *lines[-10:]]))
    return lines
