"""Run `seodang release` or `seodang rollback` in a flow: its lines go to the log, its exit code becomes a state."""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.commands import CommandFailed, run_logged
from flows.escaping import escape_markdown
from flows.liveness import check_life, watch_life

_STATES: Final[Mapping[str, Mapping[int, str]]] = {
    "release": {3: "NotReleased", 4: "Undecided"},
    "rollback": {},
}  # by exit code


def print_plan(command: str, options: Sequence[str], folder: Path) -> State[Any] | list[str]:
    """Log and publish what a command would do, and return it line by line; or a state if nothing is to be released.

    Raises:
        CommandFailed: With the message of the command.
    """
    lines = run_seodang(command, [*options, "--dry-run"], folder)
    if isinstance(lines, list):
        create_markdown_artifact("\n".join(f"- {escape_markdown(line)}" for line in lines), key=f"{command}-plan")
    return lines


def run_seodang(command: str, options: Sequence[str], folder: Path) -> State[Any] | list[str]:
    """Run a command; return its last lines, or a state if it ended without a release.

    A run that the server has given up, such as a crashed one, promotes nothing: it ends before the command.

    Raises:
        CommandFailed: With the message of the command.
    """
    check_life()
    code, lines = _run([command, *options], folder, _STATES[command])
    return Completed(name=_STATES[command][code], message="\n".join(lines[-5:])) if code else lines


def _run(words: Sequence[str], folder: Path, codes: Container[int] = ()) -> tuple[int, list[str]]:
    with watch_life():
        code, lines = run_logged([sys.executable, "-m", "seodang", *words], folder)
    if code and code not in codes:
        raise CommandFailed("\n".join([f"seodang {' '.join(words)}", *lines[-10:]]))
    return code, lines
