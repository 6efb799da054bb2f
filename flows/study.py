"""The flow `study`: prompting against tuning, or a learning curve, on the data of a revision."""

from __future__ import annotations

from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State

from flows.commands import CommandFailed, run_logged
from flows.parameter_help import describe_parameters
from flows.pipeline import list_stages_to, pipeline_flow, run_pipeline
from seodang.i18n import get_language
from seodang.orchestration.parameters import StudyParameters
from seodang.orchestration.results import save_experiment
from seodang.orchestration.worktrees import Worktree

_DEFAULTS = StudyParameters()


@describe_parameters()
@pipeline_flow
def study(run: StudyParameters = _DEFAULTS, project: str | None = None) -> str | State[Any]:
    """Run the stages up to `prepare`, then a study; its report becomes part of the experiment.

    Args:
        run: What to run, and with which parameters.
        project: Folder with dvc.yaml and params.yaml; None: the working folder, else the one of this file.

    Returns:
        The name of the experiment, or a completed state named "DryRun".
    """
    return run_pipeline(run, list_stages_to("prepare"), project, lambda worktree: _run_study(run.study, worktree))


def _run_study(file: str, worktree: Worktree) -> None:
    """Run the study in the worktree and publish its table.

    Raises:
        CommandFailed: With the message of the study.
    """
    code, lines = run_logged(["seodang", "study", f"studies/{file}"], worktree.root, keep_open=(worktree.lock,))
    if code != 0:
        raise CommandFailed("\n".join(lines[-10:]))
    name = file.removesuffix(".yaml")
    folder = worktree.paths.get_study_folder(name)
    table = folder / "report" / ("study.ko.md" if get_language() == "ko" else "study.md")
    if table.is_file():
        create_markdown_artifact(table.read_text("utf-8"), key="study")
    save_experiment(worktree, further_files=[folder / "report"])
