"""The flow `evaluate-only`: evaluate and judge a model that is trained already."""

from __future__ import annotations

from typing import Any, Final

from prefect.client.schemas.objects import State

from flows.parameter_help import describe_parameters
from flows.pipeline import pipeline_flow, run_pipeline
from seodang.orchestration.parameters import RunParameters

_DEFAULTS = RunParameters()
_STAGES: Final = ("evaluate", "gate", "report")


@describe_parameters()
@pipeline_flow
def evaluate_only(run: RunParameters = _DEFAULTS, project: str | None = None) -> str | State[Any]:
    """Run the stages `evaluate`, `gate` and `report` on the adapter of a commit or experiment.

    Args:
        run: What to run, and with which parameters.
        project: Folder with dvc.yaml and params.yaml; None: the working folder, else the one of this file.

    Returns:
        The name of the experiment, or a completed state named "DryRun".
    """
    return run_pipeline(run, _STAGES, project)
