"""`python -m flows.serving PROJECT [new-server]`, which flows/serve.py starts: poll the server and start its runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import Flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.schedules import Schedule

from flows import FLOWS, UNWATCHED, load_flow
from flows.automations import TAG, build_automation, deploy_automation
from flows.dead_runs import report_dead_runs
from flows.settings import START_SECONDS
from seodang.cli.streams import prepare_streams
from seodang.config.yaml_file import read_yaml


def main(project: Path, *, is_new_server: bool) -> None:
    """Serve a deployment of each flow until this process receives a signal."""
    prepare_streams()
    deploy_automation(build_automation(START_SECONDS))
    report_dead_runs(project, is_new_server=is_new_server)
    serve(*(create_deployment(load_flow(name), project) for name in FLOWS), print_starting_message=False)


def create_deployment(flow: Flow[..., Any], project: Path) -> RunnerDeployment:
    """Return the deployment `local` of a flow, with the triggers and the active schedules of prefect.yaml."""
    # Runs side by side do not disturb each other, but most machines have the memory for one training.
    one_at_a_time = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
    is_watched = flow.name != UNWATCHED
    definition = _find_definition(flow.name)
    return RunnerDeployment.from_flow(
        flow,
        name="local",
        parameters={"project": str(project)},
        tags=[TAG] if is_watched else [],
        triggers=[DeploymentEventTrigger.model_validate(each) for each in definition.get("triggers", [])],
        schedules=[_build_schedule(each) for each in definition.get("schedules", []) if each["active"]],
        concurrency_limit=one_at_a_time if is_watched else None,
    )


def _build_schedule(fields: Mapping[str, Any]) -> Schedule:
    interval = timedelta(seconds=fields["interval"]) if "interval" in fields else None
    return Schedule(**{**fields, "interval": interval})


def _find_definition(name: str) -> Mapping[str, Any]:
    """Return what prefect.yaml says about the deployment `local` of a flow; empty without one."""
    entrypoint = f":{name.replace('-', '_')}"
    for each in read_yaml(Path(__file__).parent.parent / "prefect.yaml")["deployments"]:
        if each["name"] == "local" and each["entrypoint"].endswith(entrypoint):
            definition: Mapping[str, Any] = each
            return definition
    return {}


if __name__ == "__main__":
    main(Path(sys.argv[1]), is_new_server="new-server" in sys.argv[2:])
