"""The flow `data-only`: read, check and split the data, without training."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State

from flows.parameter_help import describe_parameters
from flows.pipeline import list_stages_to, pipeline_flow, run_pipeline
from seodang.orchestration.parameters import RunParameters

_DEFAULTS = RunParameters()


@describe_parameters()
@pipeline_flow
def data_only(run: RunParameters = _DEFAULTS, project: str | None = None) -> str | State[Any]:
    """Run the stages up to `prepare`.

    Args:
        run: What to run, and with which parameters.
        project: Folder with dvc.yaml and params.yaml; None: the working folder, else the one of this file.

    Returns:
        The name of the experiment, or a completed state named "DryRun".
    """
    return run_pipeline(run, list_stages_to("prepare"), project)
