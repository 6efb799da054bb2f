"""Run the stage `train` in another deployment; data and results go through the DVC remote and the git remote."""

from __future__ import annotations

from typing import Any, Final, cast

from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from flows.commands import CommandFailed, run_dvc
from seodang.i18n import _
from seodang.orchestration.parameters import PipelineParameters
from seodang.orchestration.results import save_experiment
from seodang.orchestration.revisions import resolve_revision
from seodang.orchestration.sharing import fetch_experiment, push_experiment, take_over
from seodang.orchestration.worktrees import Worktree

_STAGE: Final = "train"


def run_training_elsewhere(deployment: str, worktree: Worktree) -> None:
    """Let a deployment train on what this run has prepared, and take over its result.

    Raises:
        CommandFailed: If the other run fails, or its experiment is not in the git remote.
    """
    save_experiment(worktree)
    run_dvc(["push"], worktree.root, keep_open=(worktree.lock,))
    push_experiment(worktree)
    parameters = PipelineParameters(revision=worktree.name, from_stage=_STAGE, to_stage=_STAGE, share=True)
    run: dict[str, Any] = parameters.model_dump()
    other = cast(FlowRun, run_deployment(deployment, parameters={"run": run}, timeout=None))
    if other.state is None or not other.state.is_completed():
        raise CommandFailed(
            _("training by {deployment} did not complete: run {run}", deployment=deployment, run=other.name)
        )
    name = fetch_experiment(worktree.project, f"*-{str(other.id)[:8]}")
    if name is None:
        raise CommandFailed(_("the git remote has no experiment of run {run}", run=other.name))
    take_over(worktree, resolve_revision(worktree.project, name).tree)
    run_dvc(["pull", "--allow-missing", _STAGE], worktree.root, keep_open=(worktree.lock,))
