"""Run a command of a flow run: its output goes to the log of the run, line by line, with levels."""

from __future__ import annotations

import logging
import subprocess
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from prefect import get_run_logger

from flows.escaping import escape_log_line
from flows.process_guard import guard_process
from seodang.orchestration.environment import build_environment, parse_log_line

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
    with guard_process(
        command,
        cwd=folder,
        env=build_environment(folder, progress_file),
        output=subprocess.PIPE,
        keep_open=keep_open,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            level, text = parse_log_line(line, level)
            if text.strip():
                lines.append(escape_log_line(text))
                logger.log(logging.DEBUG if is_quiet else level, "%s", lines[-1])
        code = process.wait()
    return code, list(lines)


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
