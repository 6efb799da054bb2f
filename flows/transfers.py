"""Transfers between a run and its remotes, tried again after an error that may pass, such as one of the network."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from prefect import get_run_logger

from flows.commands import CommandFailed, run_dvc
from flows.escaping import escape_log_line
from seodang.errors import RegistryError
from seodang.i18n import _
from seodang.orchestration.sharing import fetch_experiment, push_experiment
from seodang.orchestration.worktrees import Worktree

_Result = TypeVar("_Result")
_DELAYS: Final = (5.0, 30.0)  # seconds before each retry
# Of DVC and git: data that nobody pushed, a remote that is not set up, rights, a full disk. A retry fails the same way.
_LASTING: Final = re.compile(
    r"is your cache up to date|missing-files|no remote|config file error|not a git repository|repository .* not found"
    r"|permission denied|access ?denied|forbidden|authentication|unauthorized|rejected|no space left|disk quota",
    re.IGNORECASE,
)


def pull_data(worktree: Worktree, *targets: str) -> None:
    """Fetch what dvc.lock names from the DVC remote; without targets, of all stages.

    Raises:
        CommandFailed: With DVC's message.
    """
    _try(lambda: run_dvc(["pull", "--allow-missing", *targets], worktree.root, keep_open=(worktree.lock,)))


def push_result(worktree: Worktree) -> None:
    """Push the data of a run to the DVC remote, then its experiment to the git remote.

    Raises:
        CommandFailed: With DVC's message.
        RegistryError: With git's message.
    """
    _try(lambda: run_dvc(["push"], worktree.root, keep_open=(worktree.lock,)))
    _try(lambda: push_experiment(worktree))


def fetch_result(project: Path, pattern: str) -> str | None:
    """Fetch an experiment from the git remote and return its name; None if the remote has none.

    Raises:
        RegistryError: With git's message.
    """
    return _try(lambda: fetch_experiment(project, pattern))


def _try(transfer: Callable[[], _Result]) -> _Result:
    for delay in _DELAYS:
        try:
            return transfer()
        except (CommandFailed, RegistryError) as error:
            if _LASTING.search(str(error)):
                raise
            get_run_logger().warning(
                _(
                    "{problem}; next attempt in {seconds:.0f} s",
                    problem=escape_log_line(str(error).splitlines()[-1]),
                    seconds=delay,
                )
            )
            time.sleep(delay)
    return transfer()
