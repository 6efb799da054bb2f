"""The flow `generate-data`: instruction data from a teacher.

`seodang generate` does the work, in the folder of the project: its journal has the replies that are paid for. So this
flow has no worktree of its own, and a retry asks only what the journal does not have.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from prefect import Task, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed

from flows.commands import CommandFailed, run_logged
from flows.escaping import escape_markdown
from flows.liveness import check_life, watch_life
from flows.parameter_help import describe_parameters
from flows.pipeline import find_project, pipeline_flow
from flows.training_progress import show_progress
from seodang.errors import TeacherUnreachable
from seodang.i18n import _
from seodang.orchestration.generate_parameters import GenerateDataParameters

_DEFAULTS = GenerateDataParameters()
_STATES: Final[Mapping[int, str]] = {5: "BudgetUsedUp"}  # by exit code
_RETRY_DELAYS: Final = (60.0, 600.0)  # seconds; a teacher that does not answer may do so later


class _Unreachable(CommandFailed):
    """The teacher does not answer; a retry may succeed."""


@describe_parameters(run=_("Which recipe, and how."))
@pipeline_flow
def generate_data(run: GenerateDataParameters = _DEFAULTS, project: str | None = None) -> str | State[Any]:
    """Ask a teacher by a recipe, within its budget, and write records, rejections and a manifest.

    Args:
        run: Which recipe, and how.
        project: Folder of the project; None: the working folder, else the one of this file.

    Returns:
        What came of it, or a completed state named "DryRun" or "BudgetUsedUp".
    """
    folder = find_project(project)
    plan = run_generate([*run.list_options(), "--plan"], folder)[1]
    create_markdown_artifact(_format_lines(plan), key="generate-plan")
    if run.dry_run:
        return Completed(name="DryRun", message="\n".join(plan))
    code, lines = ask_teacher(run.list_options(), folder)
    lines = [line for line in lines if line not in plan]  # the command prints its plan again
    create_markdown_artifact(_format_lines(lines), key="generate-result")
    return Completed(name=_STATES[code], message="\n".join(lines)) if code else "\n".join(lines)


def _is_retryable(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether a retry may succeed; Prefect calls this before each retry."""
    return isinstance(state.data, _Unreachable)


@task(
    name="ask-teacher",
    cache_policy=NO_CACHE,
    retries=len(_RETRY_DELAYS),
    retry_delay_seconds=list(_RETRY_DELAYS),
    retry_condition_fn=_is_retryable,
)
def ask_teacher(options: list[str], folder: Path) -> tuple[int, list[str]]:
    """Run the recipe with a progress artifact; return exit code and last lines."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "progress.json"
        with show_progress(file, "generate-progress"):
            return run_generate(options, folder, file)


def run_generate(options: list[str], folder: Path, progress_file: Path | None = None) -> tuple[int, list[str]]:
    """Run `seodang generate` and return its exit code and its last lines.

    Raises:
        CommandFailed: With the message of the command.
    """
    check_life()
    with watch_life():
        command = [sys.executable, "-m", "seodang", "generate", *options]
        code, lines = run_logged(command, folder, progress_file=progress_file)
    if code and code not in _STATES:
        error = _Unreachable if code == TeacherUnreachable.exit_code else CommandFailed
        raise error("\n".join([f"seodang generate {' '.join(options)}", *lines[-10:]]))
    return code, lines[-12:]


def _format_lines(lines: list[str]) -> str:
    return "\n".join(f"- {escape_markdown(line)}" for line in lines if line.strip())
