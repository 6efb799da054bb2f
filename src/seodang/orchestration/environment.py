"""The environment of the commands that a run starts in its worktree, and their log lines."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import Final

LOG_FORMAT_VARIABLE: Final = "SEODANG_LOG_FORMAT"
PROGRESS_VARIABLE: Final = "SEODANG_PROGRESS_FILE"
_LOG_FORMAT: Final = "%(levelname)s\t%(message)s"
_LEVELS: Final = {name: getattr(logging, name) for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")}
_PREFIXED: Final = re.compile(rf"^({'|'.join(_LEVELS)})(\t|: )")
_FAILURE: Final = "seodang: "  # begins the message of a stage that fails
_DVC_HINTS: Final = re.compile(
    r"^(To track the changes with git, run:|\s+git add .*|To enable auto staging, run:|\s+dvc config core\.autostage true"
    r"|Use `dvc push` to send .*|(Generating|Updating) lock file '.*'|WARNING: '.*' is empty\.)$"
)  # they are for a user who runs DVC by hand; empty files are those without quarantined rows
_CONTROL: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # terminal codes


def build_environment(root: Path, progress_file: Path | None = None) -> dict[str, str]:
    """Return the environment of a stage: commands of this interpreter first in PATH, output unbuffered.

    Args:
        root: Folder of the project; if it holds the code of Seodang, its stages run this code.
        progress_file: Training writes its progress there.
    """
    environment = {
        **os.environ,
        "PATH": _prepend(str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)),  # a venv has links
        "PYTHONUNBUFFERED": "1",
        LOG_FORMAT_VARIABLE: _LOG_FORMAT,
    }
    if (root / "src" / "seodang").is_dir():
        environment["PYTHONPATH"] = _prepend(str(root / "src"), os.environ.get("PYTHONPATH", ""))
    if progress_file is not None:
        environment[PROGRESS_VARIABLE] = str(progress_file)
    return environment


def _prepend(folder: str, path: str) -> str:
    return os.pathsep.join(filter(None, (folder, path)))


def parse_log_line(line: str, last_level: int = logging.INFO) -> tuple[int, str]:
    """Return level and text of a line that a command printed, without codes that move a terminal's cursor.

    Args:
        line: As printed.
        last_level: Of the line before; further lines of an error belong to it.
    """
    text = _CONTROL.sub("", line.rstrip())
    if _DVC_HINTS.match(text):
        return logging.DEBUG, text
    if match := _PREFIXED.match(text):
        is_ours = match[2] == "\t"
        return _LEVELS[match[1]], text[match.end() :] if is_ours else text
    if text.startswith(_FAILURE):
        return logging.ERROR, text
    return (last_level if last_level >= logging.WARNING and text.startswith("  ") else logging.INFO), text
