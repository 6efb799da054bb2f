"""What the training report tells: values out of report.json, the curves and the parameters, nothing of how it looks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from seodang.errors import ArtefactError
from seodang.training.curves import VALIDATION_LOSS, Points
from seodang.training.run_record import ReportSample


@dataclass(frozen=True, slots=True)
class Health:
    """What was checked after training."""

    max_logit_change: float
    """Of a logit, against the model before."""
    eos_ratio: float
    """Of validation answers after which the trained model ends, 0 to 1."""
    eos_ratio_before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReportData:
    """All that the page shows; names and units as in report.json."""

    steps: int
    max_steps: int
    """More than `updates` where training stopped early."""
    elapsed_seconds: float
    """Of the whole run, killed processes included."""
    train_loss: float
    validation_loss: float
    resume_steps: list[int]
    """Updates after which a killed run went on from a checkpoint."""
    records: Mapping[str, int]
    """Split -> records that were used; as the two below, for train and validation."""
    too_long: Mapping[str, int]
    without_answer: Mapping[str, int]
    tokens: int
    """Of the training records, prompts and answers, once each."""
    label_tokens: int
    packed: bool
    computed_ratio: float
    """Tokens that passed through the model, padding included, of those read: below 1 where beginnings are shared."""
    trainable_parameters: int
    parameters: int
    device: str
    peak_memory_mb: float
    health: Health
    samples: list[ReportSample]
    versions: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]]
    """Section of params.yaml -> parameter -> value."""
    curves: Mapping[str, Points]
    checksums: Mapping[str, str]

    @property
    def best(self) -> tuple[int, float] | None:
        """Update and value of the lowest validation loss."""
        finite = [point for point in self.curves.get(VALIDATION_LOSS.name, []) if math.isfinite(point[1])]
        return min(finite, key=lambda point: point[1]) if finite else None


_OTHER_FIELDS: Final = {"health", "examples", "settings", "curves", "checksums"}


def build_report_data(
    report: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]], curves: Mapping[str, Points]
) -> TrainingReportData:
    """Return the facts of a run.

    Args:
        report: report.json of stage `train`; what else it holds is left alone.
        settings: Sections of params.yaml by name, as they were in the run; `train` among them.
        curves: By name, as `seodang.training.curves.read_curves` returns them.

    Raises:
        ArtefactError: If a key is missing; the message names it.

    """
    try:
        return TrainingReportData(
            **{
                field.name: report[field.name]
                for field in fields(TrainingReportData)
                if field.name not in _OTHER_FIELDS
            },
            health=Health(**report["health"]),
            samples=[ReportSample(**example) for example in report["examples"]],
            checksums={
                **{f"{split}.jsonl": value for split, value in report["input_sha256"].items()},
                "adapter": report["adapter_sha256"],
                "prompt": report["prompt_fingerprint"],
            },
            settings=settings,
            curves=curves,
        )
    except (KeyError, TypeError) as error:
        raise ArtefactError(f"report.json of stage train has no usable {error}; run: dvc repro train") from error
