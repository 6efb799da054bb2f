"""What the training report tells: values out of report.json, the curves and the parameters, nothing of how it looks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from seodang.errors import ArtefactError
from seodang.training.curves import VALIDATION_LOSS, Points
from seodang.training.run_record import Example


@dataclass(frozen=True, slots=True)
class Health:
    """What was checked after training."""

    largest_change: float
    """Of a logit, against the model before."""
    end_share: float
    """Of validation answers after which the trained model ends, 0 to 1."""
    end_share_before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """All that the page shows; names and units as in report.json."""

    updates: int
    planned_updates: int
    """More than `updates` where training stopped early."""
    elapsed_seconds: float
    """Of the whole run, killed processes included."""
    train_loss: float
    validation_loss: float
    resumed_at: list[int]
    """Updates after which a killed run went on from a checkpoint."""
    records: Mapping[str, int]
    """Split -> records that were used; as the two below, for train and validation."""
    too_long: Mapping[str, int]
    without_answer: Mapping[str, int]
    tokens: int
    """Of the training records, prompts and answers, once each."""
    learned_tokens: int
    packed: bool
    computed_share: float
    """Tokens that passed through the model, padding included, of those read: below 1 where beginnings are shared."""
    trainable: int
    parameters: int
    device: str
    peak_memory_mb: float
    health: Health
    examples: list[Example]
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


_ELSEWHERE: Final = {"health", "examples", "settings", "curves", "checksums"}


def facts_of(
    report: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]], curves: Mapping[str, Points]
) -> TrainingFacts:
    """Return the facts of a run.

    Args:
        report: report.json of stage `train`; what else it holds is left alone.
        settings: Sections of params.yaml by name, as they were in the run; `train` among them.
        curves: By name, as `seodang.training.curves.read_curves` returns them.

    Raises:
        ArtefactError: If a key is missing; the message names it.

    """
    try:
        return TrainingFacts(
            **{field.name: report[field.name] for field in fields(TrainingFacts) if field.name not in _ELSEWHERE},
            health=Health(**report["health"]),
            examples=[Example(**example) for example in report["examples"]],
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
