"""The automation that crashes runs which a worker took and never started, and how automations get onto the server.

prefect.yaml has the one for runs that fell silent: it starts the flow `end-dead-runs`, because a silent run need not be
dead. A crash gives the slot of a run back; the server refuses it for a run that has ended.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

TAG: Final = "seodang"  # of the deployments whose runs are watched
NEVER_STARTED: Final = "seodang: run that never started"
NEVER_STARTED_MESSAGE: Final = "A worker took the run and did not start it."
_RUN: Final = "prefect.flow-run."
_ANY: Final = f"{_RUN}*"  # run or event of a run; final states have names of their own, such as Rejected
_BEFORE_RUNNING: Final = ("Pending", "Submitting", "InfrastructurePending")


def build_automation(start_seconds: float) -> AutomationCore:
    """Return the automation that crashes a run when no event follows that a worker took it.

    Args:
        start_seconds: Between a worker's taking a run and its start; at least 10.
    """
    trigger = EventTrigger(
        match=ResourceSpecification({"prefect.resource.id": _ANY}),
        match_related=ResourceSpecification(
            {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
        ),
        for_each={"prefect.resource.id"},
        after={f"{_RUN}{name}" for name in _BEFORE_RUNNING},
        expect={_ANY},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=start_seconds),
    )
    action = ChangeFlowRunState(state=StateType.CRASHED, name=None, message=NEVER_STARTED_MESSAGE, force=False)
    return AutomationCore(
        name=NEVER_STARTED, description=NEVER_STARTED_MESSAGE, tags=[TAG], trigger=trigger, actions=[action]
    )


def read_start_seconds(client: SyncPrefectClient) -> float:
    """Return how many seconds a run of the server has for its start: infinite without an enabled automation."""
    found = client.read_automations_by_name(NEVER_STARTED)
    triggers = [automation.trigger for automation in found if automation.enabled]
    return max((each.within.total_seconds() for each in triggers if isinstance(each, EventTrigger)), default=math.inf)


def deploy_automation(automation: AutomationCore) -> None:
    """Create an automation; the one that the server has by the same name is replaced."""
    with get_client(sync_client=True) as client:
        existing = client.read_automations_by_name(automation.name)
        if not existing:
            client.create_automation(automation)
        for first in existing[:1]:
            client.update_automation(first.id, automation)
        for other in existing[1:]:  # two deployments at the same moment create two
            client.delete_automation(other.id)
