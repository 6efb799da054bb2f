"""What a training run tells while it runs: curves, trackers, a bar or a line for each epoch.

`Readings` measures and names; what it returns is logged by the Trainer, stands in `state.log_history` and so in each
checkpoint. The other callbacks show that history, so that a run which was killed and goes on shows all of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback

from seodang.config import TrainParams
from seodang.config.section import Section
from seodang.training.tracking.dvclive import LiveCurves
from seodang.training.tracking.metrics import TrainingMetrics, find_resume_steps, read_elapsed_seconds
from seodang.training.tracking.progress import Progress
from seodang.training.tracking.trackers import Trackers, check_trackers

__all__ = [
    "Tracking",
    "TrainingMetrics",
    "check_trackers",
    "find_resume_steps",
    "read_elapsed_seconds",
    "remove_console_callbacks",
    "track_run",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Tracking:
    """What a Trainer needs to be tracked."""

    metrics: TrainingMetrics
    callbacks: list[TrainerCallback]
    """In the order in which the Trainer must have them, `readings` first."""


@contextmanager
def track_run(train: TrainParams, sections: Mapping[str, Section], *, live: Path, runs: Path) -> Iterator[Tracking]:
    """Track a run; dvclive and the trackers are closed on leaving, as failed after an error.

    Args:
        train: Its `tracking` names the trackers.
        sections: Sections of params.yaml by name; the trackers get their parameters as `section.parameter`.
        live: Folder of dvclive; what an earlier run left there is taken away when training begins.
        runs: Folder of those trackers that the environment gives no address.

    Raises:
        TrainingError: If a tracker is not installed, or has no address.

    """
    check_trackers(train.report_to)
    metrics, curves, trackers = TrainingMetrics(), LiveCurves(live), Trackers(train.report_to, sections, runs)
    failed = True
    try:
        yield Tracking(metrics, [metrics, curves, trackers, Progress()])
        failed = False
    finally:
        curves.close()
        trackers.close(failed=failed)


def remove_console_callbacks(trainer: Trainer) -> None:
    """Take away transformers' own callbacks that print dictionaries."""
    for printing in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printing)
