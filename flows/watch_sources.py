"""The flow `watch-sources`: one event when data of a source changed, which a deployment can react to."""

from __future__ import annotations

from typing import Final

from prefect import flow, get_run_logger
from prefect.events import emit_event

from flows.liveness import watch_life
from flows.pipeline import find_project
from seodang.i18n import _
from seodang.orchestration.source_watch import watch

EVENT: Final = "seodang.sources.changed"  # prefect.yaml has a deployment that runs on it
_MAX_NAMES: Final = 100  # in an event


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
        changed = watch(folder, quiet_seconds)
    if changed:
        get_run_logger().info(_("changed: {names}", names=", ".join(changed[:10])))
        resource = {"prefect.resource.id": f"seodang.project.{folder.name}", "prefect.resource.name": folder.name}
        emit_event(EVENT, resource=resource, payload={"files": changed[:_MAX_NAMES], "count": len(changed)})
    return changed
