"""Track a training run: curves, trackers, and a progress bar or lines of progress.

`TrainingMetrics` builds the log entries. The Trainer logs them and keeps them in `state.log_history`, which each
checkpoint holds. The other callbacks show that history, so that a resumed run shows its curves from the start.
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
    """Metrics and callbacks of a tracked Trainer."""

    metrics: TrainingMetrics
    callbacks: list[TrainerCallback]
    """In the order that the Trainer needs, `metrics` first."""


@contextmanager
def track_run(
    train: TrainParams,
    sections: Mapping[str, Section],
    *,
    live: Path,
    runs: Path,
    metrics: TrainingMetrics | None = None,
) -> Iterator[Tracking]:
    """Track a run; at the end, close dvclive and the trackers, after an error as failed.

    Args:
        train: `report_to` names the trackers.
        sections: Sections of params.yaml by name; the trackers get their parameters as `section.parameter`.
        live: Folder of dvclive; files of an earlier run are deleted when training starts.
        runs: Folder of the trackers without an address in the environment.
        metrics: Of preference tuning; None for those of training.

    Raises:
        TrainingError: If a tracker is not installed, or W&B has no key.

    """
    check_trackers(train.report_to)
    metrics = metrics or TrainingMetrics()
    curves, trackers = LiveCurves(live), Trackers(train.report_to, sections, runs)
    failed = True
    try:
        yield Tracking(metrics, [metrics, curves, trackers, Progress()])
        failed = False
    finally:
        curves.close()
        trackers.close(failed=failed)


def remove_console_callbacks(trainer: Trainer) -> None:
    """Remove the callbacks of transformers that print dictionaries."""
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
