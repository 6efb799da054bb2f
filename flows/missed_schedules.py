"""Scheduled times that passed while no server or worker was there: one run makes up for all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.runtime import flow_run

_STOPPED = [StateType.FAILED, StateType.CRASHED, StateType.CANCELLED, StateType.CANCELLING, StateType.PAUSED]


def find_later_run() -> FlowRun | None:
    """Return a run of the same schedule whose time has come after that of the current run, if there is one.

    Only a run that the schedule started can have one: a run that somebody asked for is never skipped.
    """
    if flow_run.id is None:
        return None
    with get_client(sync_client=True) as client:
        this = client.read_flow_run(UUID(str(flow_run.id)))
        if not this.auto_scheduled or this.deployment_id is None or this.expected_start_time is None:
            return None
        due = FlowRunFilterExpectedStartTime.model_validate(
            {"after_": this.expected_start_time, "before_": datetime.now(UTC)}
        )
        found = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                expected_start_time=due, state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=_STOPPED))
            ),
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[this.deployment_id])),
        )
    return next((run for run in found if run.auto_scheduled and _is_later(run, this)), None)


def _is_later(run: FlowRun, this: FlowRun) -> bool:
    times = run.expected_start_time, this.expected_start_time
    return times[0] is not None and times[1] is not None and times[0] > times[1]
