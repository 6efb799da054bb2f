"""The flow `watch-sources`: one event when data of a source changed, which a deployment can react to."""

from __future__ import annotations

from typing import Final

from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.events import Event, Resource

from flows.escaping import escape_log_line
from flows.liveness import watch_life
from flows.parameter_help import describe_parameters
from flows.pipeline import find_project
from seodang.i18n import _
from seodang.orchestration.source_watch import watch

EVENT: Final = "seodang.sources.changed"  # prefect.yaml has a deployment that runs on it
_MAX_NAMES: Final = 100  # in an event


@describe_parameters(
    quiet_seconds=_(
        "The sources must not change for so many seconds before the event, so that many changes are one run."
    )
)
@flow(name="watch-sources", persist_result=False)
def watch_sources(project: str | None = None, quiet_seconds: float = 60.0) -> list[str]:
    """Look at the sources of params.yaml once. Run this on a schedule, such as every 30 seconds.

    Args:
        project: Folder with params.yaml; None: the working folder, else the one of this file.
        quiet_seconds: The sources must not change for this long before the event, so that many changes are one run.

    Returns:
        The names of the changed files, when the event is sent.
    """
    folder = find_project(project)
    with watch_life():
        return watch(folder, quiet_seconds, lambda changed: _report(folder.name, changed))


def _report(project: str, changed: list[str]) -> None:
    """Log changed files and send the event; it is with the server when this function returns.

    Prefect's own emit_event only queues it, and a killed process would lose the change.
    """
    get_run_logger().info(_("changed: {names}", names=escape_log_line(", ".join(changed[:10]))))
    event = Event(
        event=EVENT,
        resource=Resource({"prefect.resource.id": f"seodang.project.{project}", "prefect.resource.name": project}),
        payload={"files": changed[:_MAX_NAMES], "count": len(changed)},
    )
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[event.model_dump(mode="json")]).raise_for_status()
