"""The curves of a training run: their names in every tracker, and how they are read back."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seodang.errors import ArtifactError
from seodang.i18n import N_, _

Points = list[tuple[int, float]]
"""Optimizer step and value, in the order of logging."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One value over the optimizer steps, under the same name in dvclive, MLflow, TensorBoard and W&B."""

    name: str
    title: str
    """English; a key of the message catalogue."""
    unit: str
    """English; a key of the message catalogue, or ""."""


TRAIN_LOSS: Final = Curve("train_loss", N_("Training loss"), N_("nats per label token"))
VALIDATION_LOSS: Final = Curve("validation_loss", N_("Validation loss"), N_("nats per label token"))
LEARNING_RATE: Final = Curve("learning_rate", N_("Learning rate"), "")
GRADIENT_NORM: Final = Curve("gradient_norm", N_("Gradient norm"), "")
TOKENS: Final = Curve("tokens_per_second", N_("Tokens per second"), N_("tokens/s"))
LABEL_TOKENS: Final = Curve("label_tokens_per_second", N_("Label tokens per second"), N_("tokens/s"))
RECORDS: Final = Curve("records_per_second", N_("Records per second"), N_("records/s"))
MEMORY: Final = Curve("memory_mb", N_("Resident memory"), "MB")
CUDA_MEMORY: Final = Curve("cuda_memory_mb", N_("Peak GPU memory"), "MB")

REWARD_ACCURACY: Final = Curve("reward_accuracy", N_("Implicit-reward accuracy"), "")
REWARD_MARGIN: Final = Curve("reward_margin", N_("Reward margin"), N_("nats"))
CHOSEN_LOG_PROBABILITY: Final = Curve("chosen_log_probability", N_("Log-probability of preferred answers"), N_("nats"))
REJECTED_LOG_PROBABILITY: Final = Curve(
    "rejected_log_probability", N_("Log-probability of rejected answers"), N_("nats")
)
REFERENCE_POINT: Final = Curve("reference_point", N_("KTO's reference point"), N_("nats"))
REWARD: Final = Curve("reward", N_("Reward"), "")
CONSTRAINTS_MET: Final = Curve("constraints_met", N_("Constraints met"), "")
REFERENCE_DIVERGENCE: Final = Curve("kl_per_token", N_("KL from the reference"), N_("nats per token"))
ANSWER_LENGTH: Final = Curve("answer_length", N_("Length of the answers"), N_("tokens"))
HELD_OUT_REWARD_ACCURACY: Final = Curve("held_out_reward_accuracy", N_("Held-out implicit-reward accuracy"), "")
HELD_OUT_REWARD_MARGIN: Final = Curve("held_out_reward_margin", N_("Held-out reward margin"), N_("nats"))

EVERY_RUN: Final = (TRAIN_LOSS, VALIDATION_LOSS, LEARNING_RATE, GRADIENT_NORM, TOKENS, LABEL_TOKENS, RECORDS, MEMORY)
"""Curves that each run logs; a run on a GPU also logs the memory of the GPU."""
PREFERENCES: Final = (
    *(REWARD_ACCURACY, REWARD_MARGIN, CHOSEN_LOG_PROBABILITY, REJECTED_LOG_PROBABILITY, REFERENCE_POINT),
    *(HELD_OUT_REWARD_ACCURACY, HELD_OUT_REWARD_MARGIN),
    *(REWARD, CONSTRAINTS_MET, REFERENCE_DIVERGENCE, ANSWER_LENGTH),
)
"""Curves of preference tuning, besides losses, learning rate, gradient norm and memory."""
CURVES: Final = (*EVERY_RUN, CUDA_MEMORY, *PREFERENCES)


def get_curves_folder(live: Path) -> Path:
    """Return the folder in which dvclive keeps the curves: a file NAME.tsv each, with the columns step and NAME."""
    return live / "plots" / "metrics"


def read_curves(live: Path) -> dict[str, Points]:
    """Return the curves that a run has logged, by name.

    Raises:
        ArtifactError: If a file is damaged; the message names it.

    """
    curves = {}
    for curve in CURVES:
        file = get_curves_folder(live) / f"{curve.name}.tsv"
        if file.is_file():
            curves[curve.name] = _read_points(file, curve.name, live.parent.name)
    return curves


def _read_points(file: Path, name: str, stage: str) -> Points:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return [(int(row["step"]), float(row[name])) for row in csv.DictReader(lines, delimiter="\t")]
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            _(
                "{file} is not a curve of dvclive ({error}); run: dvc repro {stage}",
                file=file,
                error=error,
                stage=stage,
            )
        ) from error
