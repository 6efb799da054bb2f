"""The flow `rollback`: go back to an earlier version. An automation runs it when a canary falls (prefect.yaml)."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.parameter_help import describe_parameters
from flows.pipeline import find_project, pipeline_flow
from flows.service_commands import print_plan, run_seodang
from seodang.i18n import _
from seodang.orchestration.release_parameters import RollbackParameters

_DEFAULTS = RollbackParameters()


@describe_parameters(run=_("Where to go back to, and why."))
@pipeline_flow
def rollback(run: RollbackParameters = _DEFAULTS, project: str | None = None) -> str | State[Any]:
    """Go back in the registry and in the running service, and ask the service for its version.

    Args:
        run: Where to go back to, and why.
        project: Folder of the project; None: the working folder, else the one of this file.

    Returns:
        What was done, or a completed state named "DryRun".
    """
    folder = find_project(project)
    if run.dry_run:
        plan = print_plan("rollback", run.list_options(), folder)
        return plan if isinstance(plan, State) else Completed(name="DryRun", message=" ".join(plan))
    end = run_seodang("rollback", run.list_options(), folder)
    return end if isinstance(end, State) else "\n".join(end[-2:])
