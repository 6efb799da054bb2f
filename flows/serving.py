"""`python -m flows.serving PROJECT [new-server]`, which flows/serve.py starts: poll the server and start its runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from prefect import Flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger

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
    serve(*(_create_deployment(load_flow(name), project) for name in FLOWS), print_starting_message=False)


def _create_deployment(flow: Flow[..., Any], project: Path) -> RunnerDeployment:
    # Runs side by side do not disturb each other, but most machines have the memory for one training.
    one_at_a_time = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE)
    is_watched = flow.name != UNWATCHED
    return RunnerDeployment.from_flow(
        flow,
        name="local",
        parameters={"project": str(project)},
        tags=[TAG] if is_watched else [],
        triggers=_list_triggers(flow.name),
        concurrency_limit=one_at_a_time if is_watched else None,
    )


def _list_triggers(name: str) -> list[Any]:
    """Return the triggers that prefect.yaml has for the deployment `local` of a flow."""
    entrypoint = f":{name.replace('-', '_')}"
    for each in read_yaml(Path(__file__).parent.parent / "prefect.yaml")["deployments"]:
        if each["name"] == "local" and each["entrypoint"].endswith(entrypoint):
            return [DeploymentEventTrigger.model_validate(trigger) for trigger in each.get("triggers", [])]
    return []


if __name__ == "__main__":
    main(Path(sys.argv[1]), is_new_server="new-server" in sys.argv[2:])
