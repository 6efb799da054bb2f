"""The curves of a training run: what they are called everywhere, and how they are read back."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seodang.errors import ArtefactError

Points = list[tuple[int, float]]
"""Update number and value, in the order of logging."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One value over the updates, under the same name in dvclive, MLflow, TensorBoard and W&B."""

    name: str
    ko: str
    en: str
    unit: str


TRAIN_LOSS: Final = Curve("train_loss", "학습 손실", "Training loss", "nats per learned token")
VALIDATION_LOSS: Final = Curve("validation_loss", "검증 손실", "Validation loss", "nats per learned token")
LEARNING_RATE: Final = Curve("learning_rate", "학습률", "Learning rate", "")
GRADIENT_NORM: Final = Curve("gradient_norm", "기울기 크기", "Gradient norm", "")
TOKENS: Final = Curve("tokens_per_second", "초당 토큰", "Tokens read", "tokens/s")
LABEL_TOKENS: Final = Curve("label_tokens_per_second", "초당 학습 토큰", "Tokens learned", "tokens/s")
RECORDS: Final = Curve("records_per_second", "초당 레코드", "Records", "records/s")
MEMORY: Final = Curve("memory_mb", "상주 메모리", "Resident memory", "MB")
CUDA_MEMORY: Final = Curve("cuda_memory_mb", "GPU 메모리 최대", "Peak GPU memory", "MB")

EVERY_RUN: Final = (TRAIN_LOSS, VALIDATION_LOSS, LEARNING_RATE, GRADIENT_NORM, TOKENS, LABEL_TOKENS, RECORDS, MEMORY)
"""What each run logs; the memory of a GPU is logged where there is one."""
CURVES: Final = (*EVERY_RUN, CUDA_MEMORY)


def get_curves_folder(live: Path) -> Path:
    """Return where dvclive keeps the curves: one file NAME.tsv each, with the columns step and NAME."""
    return live / "plots" / "metrics"


def read_curves(live: Path) -> dict[str, Points]:
    """Return the curves that a run has logged, by name.

    Raises:
        ArtefactError: If a file is damaged; the message names it.

    """
    curves = {}
    for curve in CURVES:
        file = get_curves_folder(live) / f"{curve.name}.tsv"
        if file.is_file():
            curves[curve.name] = _read_points(file, curve.name)
    return curves


def _read_points(file: Path, name: str) -> Points:
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return [(int(row["step"]), float(row[name])) for row in csv.DictReader(lines, delimiter="\t")]
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(f"{file} is not a curve of dvclive ({error}); run: dvc repro train") from error
