"""Small runs of preference tuning in this process and in launched ones, which import this module."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.fixtures.training import create_preference_records
from transformers import TrainerCallback

from seodang.alignment.metrics import PreferenceMetrics
from seodang.alignment.preferences import Preferences, tokenize_preferences
from seodang.alignment.trainer_factory import PreferenceSplits
from seodang.alignment.tuning import AlignmentPaths, AlignmentResult, align_model
from seodang.config import AlignParams, TrainParams
from seodang.models.loading import load_model, load_tokenizer
from seodang.records import Record

FORMAT = "koalpaca"
MAX_LENGTH = 128


def tokenize(base: Path, records: list[Record]) -> Preferences:
    return tokenize_preferences(records, load_tokenizer(base), FORMAT, MAX_LENGTH)


class KillAt(TrainerCallback):
    """Ends the process with SIGKILL after an optimizer step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self._step:
            os.kill(os.getpid(), signal.SIGKILL)


def run_alignment(
    base: Path, tuned: Path, folder: Path, align: AlignParams, train: TrainParams, callbacks: tuple[Any, ...] = ()
) -> AlignmentResult:
    """Tune with preferences in a folder: run (checkpoints), adapter."""
    splits = PreferenceSplits(
        tokenize(base, create_preference_records(12, rated=4)), tokenize(base, create_preference_records(4, first=100))
    )
    return align_model(
        load_model(base, "fp32", "cpu"),
        load_tokenizer(base),
        splits,
        align,
        train,
        [PreferenceMetrics(), *callbacks],
        device="cpu",
        paths=AlignmentPaths(base=base, tuned=tuned, checkpoints=folder / "run", output=folder / "adapter"),
    )


def run_killed(base: Path, tuned: Path, folder: Path, align: AlignParams, train: TrainParams, step: int) -> None:
    """Tune in a separate process until SIGKILL ends it after an optimizer step."""
    code = "import pickle, sys; import tests.alignment.alignment_processes; f, a = pickle.load(sys.stdin.buffer); f(*a)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps((run_alignment, (base, tuned, folder, align, train, (KillAt(step),)))),
        capture_output=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
