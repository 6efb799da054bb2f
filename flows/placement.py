"""Run the stage `train` in another deployment; data and results go through the DVC remote and the git remote."""

from __future__ import annotations

from typing import Any, Final, cast

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType
from prefect.deployments import run_deployment
from prefect.logging.loggers import flow_run_logger
from prefect.states import Cancelling

from flows.commands import CommandFailed
from flows.transfers import fetch_result, pull_data, push_result
from seodang.i18n import _
from seodang.orchestration.parameters import PipelineParameters
from seodang.orchestration.results import save_experiment
from seodang.orchestration.revisions import resolve_revision
from seodang.orchestration.sharing import take_over
from seodang.orchestration.worktrees import Worktree

_STAGE: Final = "train"


def run_training_elsewhere(deployment: str, worktree: Worktree) -> None:
    """Let a deployment train on what this run has prepared, and take over its result.

    Raises:
        CommandFailed: If the other run fails, or its experiment is not in the git remote.
    """
    save_experiment(worktree)
    push_result(worktree)
    parameters = PipelineParameters(revision=worktree.name, from_stage=_STAGE, to_stage=_STAGE, share=True)
    run: dict[str, Any] = parameters.model_dump()
    other = cast(FlowRun, run_deployment(deployment, parameters={"run": run}, timeout=None))
    if other.state is None or not other.state.is_completed():
        raise CommandFailed(
            _("training by {deployment} did not complete: run {run}", deployment=deployment, run=other.name)
        )
    name = fetch_result(worktree.project, f"*-{str(other.id)[:8]}")
    if name is None:
        raise CommandFailed(_("the git remote has no experiment of run {run}", run=other.name))
    take_over(worktree, resolve_revision(worktree.project, name).tree)
    pull_data(worktree, _STAGE)


def cancel_training_elsewhere(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Cancel the runs that a run waits for, after it was cancelled or has failed: nobody takes over their results."""
    unfinished = sorted(set(StateType) - TERMINAL_STATES)
    waited_for = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[flow_run.id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=unfinished)),
    )
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=waited_for):
            client.set_flow_run_state(run.id, Cancelling(message=_("the run that waited for it has ended")))
            flow_run_logger(flow_run, flow).info(_("cancelled too: run {run}", run=run.name))
