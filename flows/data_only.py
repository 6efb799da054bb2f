"""The flow `data-only`: read, check and split the data, without training."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.notifications import notify
from flows.pipeline import list_stages_to, name_flow_run, run_pipeline
from seodang.orchestration.parameters import RunParameters

_DEFAULTS = RunParameters()


@flow(
    name="data-only",
    flow_run_name=name_flow_run,
    persist_result=False,
    on_completion=[notify],
    on_failure=[notify],
    on_crashed=[notify],
    on_cancellation=[notify],
)
def data_only(run: RunParameters = _DEFAULTS, project: str | None = None) -> str | State[Any]:
    """Run the stages up to `prepare`.

    Args:
        run: What to run, and with which parameters.
        project: Folder with dvc.yaml and params.yaml; None: the working folder, else the one of this file.

    Returns:
        The name of the experiment, or a completed state named "DryRun".
    """
    return run_pipeline(run, list_stages_to("prepare"), project)
