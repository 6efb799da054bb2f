"""Tell the server which runs of this machine are dead, without waiting for their heartbeats.

Each run holds a lock on its worktree (seodang/orchestration/worktrees.py). A free lock means that the process is gone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

from seodang.orchestration.worktrees import list_worktrees, remove_dead_worktrees

_ALIVE: Final = [StateType.RUNNING, StateType.CANCELLING]
_ID_LENGTH: Final = 8  # of the id's start, which ends the name of a worktree


def report_dead_runs(project: Path, *, is_new_server: bool) -> list[str]:
    """Remove the worktrees of dead runs; crash those that the server takes for living, and return their names.

    Args:
        project: Folder of the project.
        is_new_server: Whether the server has just been started for this project: then a run of the project that has no
            worktree is dead, too. It ended in order, and could not tell the server.
    """
    dead = {name[-_ID_LENGTH:] for name in remove_dead_worktrees(project)}
    living = {name[-_ID_LENGTH:] for name in list_worktrees(project)}
    alive = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_ALIVE)))
    reported = []
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=alive):
            start = str(run.id)[:_ID_LENGTH]
            is_of_project = is_new_server and run.parameters.get("project") == str(project)
            if start in dead or (is_of_project and start not in living):
                client.set_flow_run_state(run.id, Crashed(message="The process of the run is gone."), force=True)
                reported.append(run.name)
    return reported
