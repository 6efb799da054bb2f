"""Small training runs in this process and in launched ones, which import this module; conftest.py has the fixtures."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.fixtures.training import create_training_records
from transformers import TrainerCallback

from seodang.config import TrainParams
from seodang.models.loading import load_model, load_tokenizer
from seodang.models.methods import get_method
from seodang.models.tokenization import get_end_id, get_pad_id
from seodang.training.dataset import TokenizedDataset, read_tokenized_dataset, write_tokenized_dataset
from seodang.training.distributed import broadcast_from_main, is_main_process
from seodang.training.finetune import TrainingPaths, train_model
from seodang.training.launching import launch
from seodang.training.result import TrainingResult
from seodang.training.tracking import track_run
from seodang.training.trainer_factory import Splits


def build_dataset(base: Path, folder: Path, count: int) -> TokenizedDataset:
    broadcast_from_main(
        lambda: write_tokenized_dataset(folder, create_training_records(count), load_tokenizer(base), "koalpaca", 128)
    )
    return read_tokenized_dataset(folder)


class KillAt(TrainerCallback):
    """Ends the process with SIGKILL after an optimizer step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self._step:
            os.kill(os.getpid(), signal.SIGKILL)


class KillAtEnd(TrainerCallback):
    """Ends the process with SIGKILL after training, before the checks and before the weights are saved."""

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class KillAllAt(TrainerCallback):
    """Ends all processes of a session with SIGKILL after an optimizer step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self._step and state.is_world_process_zero:
            os.killpg(0, signal.SIGKILL)


def run_killed(base: Path, folder: Path, train: TrainParams, step: int | None, count: int = 16) -> None:
    """Train in a separate process until it is killed after an optimizer step; None: after the last one."""
    killer = KillAtEnd() if step is None else KillAt(step)
    _run_until_killed(run_training, (base, folder, train, count, [killer]))


def _run_until_killed(function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    code = "import pickle, sys; import tests.training.training_processes; function, arguments = pickle.load(sys.stdin.buffer);"
    done = subprocess.run(
        [sys.executable, "-c", f"{code} function(*arguments)"],
        input=pickle.dumps((function, arguments)),
        capture_output=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def run_training(
    base: Path, folder: Path, train: TrainParams, count: int = 16, callbacks: Sequence[TrainerCallback] = ()
) -> TrainingResult:
    """Train on `count` records, in `folder`: adapter, live, run."""
    tokenizer = load_tokenizer(base)
    splits = Splits(build_dataset(base, folder / "train", count), build_dataset(base, folder / "validation", 5))
    model = load_model(base, train.precision, "cpu", load_in_4bit=get_method(train).loads_in_4bit)
    with track_run(train, {"train": train}, live=folder / "live", runs=folder / "report_to") as tracking:
        tracking.callbacks.extend(callbacks)
        return train_model(
            model,
            splits,
            train,
            tracking,
            pad_token_id=get_pad_id(tokenizer),
            eos_token_id=get_end_id(tokenizer, "koalpaca"),
            device="cpu",
            paths=TrainingPaths(base=base, checkpoints=folder / "run", output=folder / "adapter"),
        )


class Interrupted(Exception):
    """Ends a run in all processes, which then go on with the next case."""


class InterruptAt(TrainerCallback):
    """Raises Interrupted in all processes after an optimizer step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self._step:
            raise Interrupted


def run_together_killed(base: Path, cases: Mapping[Path, TrainParams], step: int, count: int = 16) -> None:
    """Train in the same processes, each case until an optimizer step.

    SIGKILL ends the last case in all processes and their parent; an exception ends the others.
    """
    *others, _last = cases
    callbacks = {folder: InterruptAt(step) if folder in others else KillAllAt(step) for folder in cases}
    _run_until_killed(_launch_cases, (base, cases, count, callbacks))


def run_together(base: Path, cases: Mapping[Path, TrainParams], count: int = 16) -> dict[Path, TrainingResult]:
    """Train each case in its folder, one after the other in the same processes, as importing torch takes long."""
    _launch_cases(base, cases, count, {})
    return {folder: pickle.loads((folder / "result").read_bytes()) for folder in cases}


def _launch_cases(
    base: Path, cases: Mapping[Path, TrainParams], count: int, callbacks: Mapping[Path, TrainerCallback]
) -> None:
    (processes,) = {train.processes for train in cases.values()}
    launch(_run_cases, (base, cases, count, callbacks), processes=processes, device="cpu")


def _run_cases(
    base: Path, cases: Mapping[Path, TrainParams], count: int, callbacks: Mapping[Path, TrainerCallback]
) -> None:
    for folder, train in cases.items():
        try:
            result = run_training(base, folder, train, count, [callbacks[folder]] if folder in callbacks else [])
        except Interrupted:
            continue
        if is_main_process():
            (folder / "result").write_bytes(pickle.dumps(result))
