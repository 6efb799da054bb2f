"""The flow `end-dead-runs`: crash the runs whose process is gone. A silent run, a worker's start, a schedule start it.

A run without a heartbeat need not be dead: while the server is stopped, no heartbeat arrives. So this flow looks again.
Crashed by a mistake, a run would lose its slot and its work; a finished run stays as it is.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from prefect import flow, get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

from flows.automations import NEVER_STARTED_MESSAGE, TAG, read_start_seconds
from flows.dead_runs import report_dead_runs
from flows.escaping import escape_log_line
from flows.liveness import ALIVE_LABEL
from flows.parameter_help import describe_parameters
from flows.pipeline import find_project
from seodang.i18n import _

_LOOK_SECONDS: Final = 2.0


@describe_parameters(
    answer_seconds=_(
        "A run that shows no sign of life for so many seconds is dead. Living ones show one every 10 seconds."
    )
)
@flow(name="end-dead-runs", persist_result=False)
def end_dead_runs(project: str | None = None, answer_seconds: float = 60.0) -> list[str]:
    """Crash dead runs, which gives their slots back.

    Args:
        project: Folder of the project; None: the working folder, else the one of this file.
        answer_seconds: A run that shows no sign of life for so long is dead. Living ones show one every 10 seconds.

    Returns:
        The names of the runs.
    """
    ended = [
        *report_dead_runs(find_project(project), is_new_server=False),
        *crash_unstarted_runs(),
        *crash_silent_runs(answer_seconds),
    ]
    if ended:
        get_run_logger().warning(_("dead runs: {names}", names=escape_log_line(", ".join(ended))))
    return ended


def crash_unstarted_runs() -> list[str]:
    """Crash the runs that a worker took and did not start in time; return their names.

    An automation does so within minutes, from one event of each run: a busy server may lose such an event. This late
    the lease on the slot may have expired. Then a crash gives a second slot back, so no other run may hold one.
    """
    with get_client(sync_client=True) as client:
        seconds = read_start_seconds(client)
        holders = _list_runs(client, StateType.RUNNING, StateType.CANCELLING, StateType.PENDING)
        late = [run for run in holders if run.state_type == StateType.PENDING and _get_age(run) > seconds]
        busy = {run.deployment_id for run in holders if run not in late}
        ended = [run for run in late if run.deployment_id not in busy]
        for run in ended:
            client.set_flow_run_state(run.id, Crashed(message=NEVER_STARTED_MESSAGE))
    return [run.name for run in ended]


def _get_age(run: FlowRun) -> float:
    """Return how many seconds the run has been in its state."""
    return (datetime.now(UTC) - run.state.timestamp).total_seconds() if run.state else 0.0


def crash_silent_runs(answer_seconds: float) -> list[str]:
    """Crash the running runs of the project's deployments that show no sign of life; return their names."""
    deadline = time.monotonic() + answer_seconds
    with get_client(sync_client=True) as client:
        signs = {run.id: run.labels.get(ALIVE_LABEL) for run in _list_runs(client, StateType.RUNNING)}
        while True:
            silent = [
                run
                for run in _list_runs(client, StateType.RUNNING)
                if run.id in signs and run.labels.get(ALIVE_LABEL) == signs[run.id]
            ]
            if not silent or time.monotonic() > deadline:
                break
            time.sleep(_LOOK_SECONDS)
        for run in silent:
            client.set_flow_run_state(run.id, Crashed(message="The process of the run is gone: no sign of life."))
    return [run.name for run in silent]


def _list_runs(client: SyncPrefectClient, *kinds: StateType) -> list[FlowRun]:
    """Return the runs of the project's deployments whose state is of one of these kinds."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(kinds)))
    return client.read_flow_runs(flow_run_filter=FlowRunFilter(state=state, tags=FlowRunFilterTags(all_=[TAG])))
