"""`python -m flows.deploy NAME ...`: deploy the flows of prefect.yaml, their work pools and their automations.

A second call changes nothing but what prefect.yaml has changed: schedules and triggers are replaced, and work pools
keep what their owner has set.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flows.serve import ServerUnavailable, probe
from flows.settings import START_SECONDS
from seodang.config.yaml_file import read_yaml
from seodang.errors import SeodangError
from seodang.i18n import _


@dataclass(frozen=True, slots=True)
class Pool:
    """A work pool that prefect.yaml names."""

    kind: str
    """Type of its workers; docker and kubernetes need the package prefect-docker or prefect-kubernetes there."""
    queue: str | None = None
    limit: int | None = None
    """Runs at a time, of the pool and of the queue."""


POOLS: Final = {
    "seodang": Pool("process"),
    "seodang-gpu": Pool("process", queue="gpu", limit=1),
    "seodang-docker": Pool("docker"),
    "seodang-kubernetes": Pool("kubernetes"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Create missing work pools, deploy flows and automations; return the exit code."""
    options = _build_parser().parse_args(arguments)
    project = options.project.resolve()
    try:
        deployments = select_deployments(read_yaml(project / "prefect.yaml"), options.names)
        check_server()
        create_pools({deployment["work_pool"]["name"] for deployment in deployments})
    except SeodangError as error:
        print(f"seodang: {error}", file=sys.stderr)
        return error.exit_code
    names = [f"--name={_get_flow_name(each)}/{each['name']}" for each in deployments]
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", *names]
    environment = {**os.environ, "PWD": str(project)}  # prefect.yaml reads it
    code = subprocess.run(command, cwd=project, env=environment, check=False).returncode
    if code == 0:
        _deploy_automation(options.start)
    return code


def check_server() -> None:
    """Check that the Prefect server of the environment or the profile answers, if one is set.

    Raises:
        ServerUnavailable: If it does not.
    """
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if url is not None and probe(url.rstrip("/")) == "nothing":
        raise ServerUnavailable(
            _("no Prefect server answers at {url}; start one: prefect server start; or set PREFECT_API_URL", url=url)
        )


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows.deploy", description=_("Deploy the flows of prefect.yaml."))
    parser.add_argument("names", nargs="+", metavar="NAME", help=_("Name of deployments, such as local."))
    parser.add_argument("--project", type=Path, default=Path(), help=_("Folder with prefect.yaml."))
    parser.add_argument(
        "--start",
        type=float,
        default=START_SECONDS,
        metavar=_("SECONDS"),
        help=_(
            "Crash a run that its worker has not started after so many seconds; default {seconds}.",
            seconds=START_SECONDS,
        ),
    )
    return parser


def _deploy_automation(start_seconds: float) -> None:
    from flows.automations import build_automation, deploy_automation

    deploy_automation(build_automation(start_seconds))


def select_deployments(content: dict[str, Any], names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the deployments of prefect.yaml with these names.

    Raises:
        SeodangError: If there is no deployment of a name, or one has no work pool that this command can create.
    """
    deployments = content.get("deployments") or []
    known = sorted({deployment["name"] for deployment in deployments})
    if unknown := sorted(set(names) - set(known)):
        raise SeodangError(
            _(
                "prefect.yaml has no deployment {names}; it has {known}",
                names=", ".join(unknown),
                known=", ".join(known),
            )
        )
    selected = [deployment for deployment in deployments if deployment["name"] in set(names)]
    for deployment in selected:
        if (pool := (deployment.get("work_pool") or {}).get("name")) not in POOLS:
            raise SeodangError(
                _(
                    "prefect.yaml: deployment {name} has the work pool {pool}, and this command creates {known}; for a pool of"
                    " your own use: prefect work-pool create, then prefect deploy",
                    name=deployment["name"],
                    pool=pool or _("none"),
                    known=", ".join(POOLS),
                )
            )
    return selected


def _get_flow_name(deployment: dict[str, Any]) -> str:
    return str(deployment["entrypoint"].rpartition(":")[2]).replace("_", "-")


def create_pools(names: Iterable[str]) -> None:
    """Create the work pools and queues that the server lacks; set the limits of those that have one."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        for name in sorted(names):
            pool = POOLS[name]
            try:
                client.read_work_pool(name)
            except ObjectNotFound:
                template = find_job_template(client.read_worker_metadata(), pool.kind)
                client.create_work_pool(WorkPoolCreate(name=name, type=pool.kind, base_job_template=template))
            if pool.queue is not None:
                client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=pool.limit))
                try:
                    queue = client.read_work_queue_by_name(pool.queue, work_pool_name=name)
                except ObjectNotFound:
                    queue = client.create_work_queue(pool.queue, work_pool_name=name)
                client.update_work_queue(queue.id, concurrency_limit=pool.limit)


def find_job_template(collections: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the default job template of a type of workers from Prefect's list of collections."""
    workers = {name: worker for collection in collections.values() for name, worker in collection.items()}
    template: dict[str, Any] = workers[kind]["default_base_job_configuration"]
    return template


if __name__ == "__main__":
    sys.exit(main())
