"""The result of a training run: losses, sizes, checks and cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from peft import PeftModel
from transformers import PreTrainedModel

from seodang.errors import TrainingError
from seodang.i18n import _
from seodang.training.sanity_checks import Health


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """Losses, sizes, checks and cost of a run."""

    steps: int  # optimizer steps
    max_steps: int  # more than `steps` if training stopped early
    train_loss: float  # nats per label token, mean over the run
    validation_loss: float  # nats per label token, of the saved weights
    trainable_parameters: int
    parameters: int
    fused_layers: int
    packed: bool
    computed_ratio: float  # tokens that passed through the model per token of the records
    resume_steps: list[int]  # optimizer steps after which an interrupted run resumed
    health: Health
    elapsed_seconds: float  # of the run, with interrupted processes
    seconds: float  # of this process
    cpu_seconds: float
    peak_memory_mb: int  # resident set of the process


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Seconds since its creation."""

    _start: float = field(default_factory=time.monotonic)
    _cpu_start: float = field(default_factory=time.process_time)

    def read(self) -> dict[str, float]:
        """Return the fields `seconds` and `cpu_seconds` of a result."""
        return {
            "seconds": round(time.monotonic() - self._start, 1),
            "cpu_seconds": round(time.process_time() - self._cpu_start, 1),
        }


def compute_mean_loss(history: Sequence[dict[str, float]]) -> float:
    """Return the mean training loss of a run, each log entry weighted by its optimizer steps.

    Args:
        history: The log history of the Trainer.

    Raises:
        TrainingError: If no training loss was logged.
    """
    total = weight = last = 0.0
    for entry in history:
        if "train_loss" in entry:
            total += entry["train_loss"] * (entry["step"] - last)
            weight += entry["step"] - last
            last = entry["step"]
    if not weight:
        raise TrainingError(
            _(
                "no optimizer step was logged, as train.logging_steps is above their number;"
                " lower train.logging_steps, or train longer"
            )
        )
    return total / weight


def count_parameters(tuned_model: PeftModel | PreTrainedModel) -> tuple[int, int]:
    """Return the numbers of trainable and of all parameters; a 4-bit weight counts as one parameter."""
    if isinstance(tuned_model, PeftModel):
        trainable, parameters = tuned_model.get_nb_trainable_parameters()
        return int(trainable), int(parameters)
    trainable = sum(weight.numel() for weight in tuned_model.parameters() if weight.requires_grad)
    return trainable, tuned_model.num_parameters()
