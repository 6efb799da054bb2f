"""Data of the training report: values from report.json, the curves and the parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from seodang.errors import ArtifactError
from seodang.i18n import _
from seodang.training.curves import VALIDATION_LOSS, Points
from seodang.training.run_record import ReportSample


@dataclass(frozen=True, slots=True)
class Health:
    """Results of the checks after training."""

    max_logit_change: float
    """Largest change of a logit against the base."""
    eos_ratio: float
    """Share of validation answers after which the tuned model predicts the end token, 0 to 1."""
    eos_ratio_before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReportData:
    """Everything that the page shows; names and units as in report.json."""

    steps: int
    max_steps: int
    """More than `steps` if training stopped early."""
    elapsed_seconds: float
    """Of the run, with interrupted processes."""
    train_loss: float
    validation_loss: float
    resume_steps: list[int]
    """Optimizer steps after which an interrupted run resumed."""
    records: Mapping[str, int]
    """Used records by split (train, validation); the two fields below have the same keys."""
    too_long: Mapping[str, int]
    without_answer: Mapping[str, int]
    tokens: int
    """Of prompts and answers of the training records, each counted once."""
    label_tokens: int
    packed: bool
    computed_ratio: float
    """Tokens that passed through the model, with padding, per token of the records; below 1 if prefixes are shared."""
    trainable_parameters: int
    parameters: int
    device: str
    peak_memory_mb: float
    health: Health
    samples: list[ReportSample]
    versions: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]]
    """Values by section of params.yaml and parameter."""
    curves: Mapping[str, Points]
    checksums: Mapping[str, str]

    @property
    def best(self) -> tuple[int, float] | None:
        """Return the optimizer step and the value of the lowest validation loss."""
        finite = [point for point in self.curves.get(VALIDATION_LOSS.name, []) if math.isfinite(point[1])]
        return min(finite, key=lambda point: point[1]) if finite else None


_OTHER_FIELDS: Final = {"health", "samples", "settings", "curves", "checksums"}


def build_report_data(
    report: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]], curves: Mapping[str, Points]
) -> TrainingReportData:
    """Return the data of a run.

    Args:
        report: report.json of stage `train`; other keys are ignored.
        settings: Sections of params.yaml of the run, by name; they include `train`.
        curves: By name, as `seodang.training.curves.read_curves` returns them.

    Raises:
        ArtifactError: If a key is missing; the message names it.

    """
    try:
        return TrainingReportData(
            **{
                field.name: report[field.name]
                for field in fields(TrainingReportData)
                if field.name not in _OTHER_FIELDS
            },
            health=Health(**report["health"]),
            samples=[ReportSample(**sample) for sample in report["samples"]],
            checksums={
                **{f"{split}.jsonl": value for split, value in report["input_sha256"].items()},
                "adapter": report["adapter_sha256"],
                "prompt": report["prompt_fingerprint"],
            },
            settings=settings,
            curves=curves,
        )
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            _("report.json of stage train has no usable {key}; run: dvc repro train", key=error)
        ) from error
