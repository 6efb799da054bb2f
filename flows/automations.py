"""The automations that end runs whose process is gone, and how automations get onto the server.

A run sends heartbeats (PREFECT_FLOWS_HEARTBEAT_FREQUENCY). Two automations watch them, not one: while a server is
stopped, no heartbeat arrives, and an automation that crashes silent runs would crash all living ones at the restart.
So the first automation only names the state `NoHeartbeat`; a living run answers (flows/liveness.py), and the second
automation crashes a run that does not. A third one crashes runs that a worker took and never started. A crashed run
gives its concurrency slot back.

`python -m flows.deploy` and `make flows` call `deploy_automations`; other modules may deploy theirs with it, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from flows.settings import Thresholds

NO_HEARTBEAT: Final = "NoHeartbeat"  # name of a state; its type is RUNNING
TAG: Final = "seodang"  # of the deployments whose runs are watched
_RUN: Final = "prefect.flow-run."
_ANY: Final = f"{_RUN}*"  # run or event of a run; final states have names of their own, such as Rejected
_BEFORE_RUNNING: Final = ("Pending", "Submitting", "InfrastructurePending")


def build_automations(thresholds: Thresholds) -> list[AutomationCore]:
    """Return the automations for dead runs of the deployments with the tag `seodang`."""
    return [
        _build(
            "seodang: silent run",
            "A run sent no heartbeat: ask it for an answer.",
            after={f"{_RUN}heartbeat", f"{_RUN}Running"},
            seconds=thresholds.silence,
            action=_change(StateType.RUNNING, "no heartbeat", name=NO_HEARTBEAT),
        ),
        _build(
            "seodang: dead run",
            "A silent run did not answer: its process is gone.",
            after={f"{_RUN}{NO_HEARTBEAT}"},
            seconds=thresholds.answer,
            action=_change(StateType.CRASHED, "The process of the run is gone: no heartbeat and no answer."),
        ),
        _build(
            "seodang: run that never started",
            "A worker took a run and did not start it.",
            after={f"{_RUN}{name}" for name in _BEFORE_RUNNING},
            seconds=thresholds.start,
            action=_change(StateType.CRASHED, "A worker took the run and did not start it."),
        ),
    ]


def _change(state: StateType, message: str, *, name: str | None = None) -> ChangeFlowRunState:
    return ChangeFlowRunState(state=state, message=message, name=name, force=False)


def _build(
    name: str, description: str, *, after: set[str], seconds: float, action: ChangeFlowRunState
) -> AutomationCore:
    """Return an automation that acts on a run when no event of the run follows one of the events `after`."""
    trigger = EventTrigger(
        match=ResourceSpecification({"prefect.resource.id": _ANY}),
        match_related=ResourceSpecification(
            {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
        ),
        for_each={"prefect.resource.id"},
        after=after,
        expect={_ANY},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=seconds),
    )
    return AutomationCore(name=name, description=description, tags=[TAG], trigger=trigger, actions=[action])


def deploy_automations(automations: Iterable[AutomationCore]) -> None:
    """Create automations; those that the server has by the same name are replaced."""
    with get_client(sync_client=True) as client:
        for automation in automations:
            existing = client.read_automations_by_name(automation.name)
            if not existing:
                client.create_automation(automation)
            for first in existing[:1]:
                client.update_automation(first.id, automation)
            for other in existing[1:]:  # two deployments at the same moment create two
                client.delete_automation(other.id)
