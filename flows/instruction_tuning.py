"""The flow `instruction-tuning`: all stages, or from one stage to another.

Prefect is responsible for order, retries, placement and run history; DVC executes the stages (flows/stages.py). A run
works in a git worktree of its own and returns a DVC experiment (flows/pipeline.py).
"""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State

from flows.parameter_help import describe_parameters
from flows.pipeline import pipeline_flow, run_pipeline
from seodang.orchestration.parameters import PipelineParameters

_DEFAULTS = PipelineParameters()


@describe_parameters()
@pipeline_flow
def instruction_tuning(run: PipelineParameters = _DEFAULTS, project: str | None = None) -> str | State[Any]:
    """Run the stages; package the tuned model if the verdict of the gate is `promote`.

    Args:
        run: What to run, and with which parameters.
        project: Folder with dvc.yaml and params.yaml; None: the working folder, else the one of this file.

    Returns:
        The tag of the bento or the name of the experiment, or a completed state named "Rejected", "Inconclusive" or
        "DryRun".
    """
    return run_pipeline(run, run.list_stages(), project)
