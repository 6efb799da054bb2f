"""What is measured of a run, and under which names it is logged."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from seodang.training import curves

_MB: Final = 1 << 20
_CURVE_NAMES: Final = {
    "loss": curves.TRAIN_LOSS.name,
    "learning_rate": curves.LEARNING_RATE.name,
    "grad_norm": curves.GRADIENT_NORM.name,
    "eval_loss": curves.VALIDATION_LOSS.name,
}
_ELAPSED_KEY: Final = "elapsed_seconds"
_RESUMED_KEY: Final = "resumed"


class TrainingMetrics(TrainerCallback):
    """Speed and memory of the updates since the last log.

    Seconds in which the run validates or saves don't count for its speed; those in which it waits for data do.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._records = self._tokens = self._label_tokens = 0
        self._seconds = 0.0  # of training since the last log
        self._mark = self._start_time = time.monotonic()
        self._elapsed_before = 0.0  # seconds of the run before this process

    def count(self, *, records: int, tokens: int, label_tokens: int) -> None:
        """Note what a training pass went over; called once a pass, not in validation.

        Args:
            records: Of all processes, as the other two.
            tokens: Of prompts and answers, as if nothing were shared, padding not counted.
            learned: Tokens that have a label.

        """
        self._records += records
        self._tokens += tokens
        self._label_tokens += label_tokens

    def build_log_entry(self, logs: Mapping[str, float]) -> dict[str, float]:
        """Return what `Trainer.log` is to log instead of `logs`: the curves of this moment, under their names.

        A log of the training loss gets speed and memory, and starts the next measurement. What Trainer sums up at
        the end (train_runtime ...) has no curve: the result is empty then, and nothing is to be logged.
        """
        entry = {name: float(logs[key]) for key, name in _CURVE_NAMES.items() if key in logs}
        if "loss" in logs:
            entry |= self._compute_speed() | self._read_memory()
        if entry:
            entry[_ELAPSED_KEY] = round(self._elapsed_before + time.monotonic() - self._start_time, 3)
        return entry

    def _compute_speed(self) -> dict[str, float]:
        seconds = self._seconds
        counts = {curves.TOKENS: self._tokens, curves.LABEL_TOKENS: self._label_tokens, curves.RECORDS: self._records}
        self._records = self._tokens = self._label_tokens = 0
        self._seconds = 0.0
        return {curve.name: round(count / seconds, 2) for curve, count in counts.items()} if seconds else {}

    def _read_memory(self) -> dict[str, float]:
        memory = {curves.MEMORY.name: round(self._process.memory_info().rss / _MB, 1)}
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            memory[curves.CUDA_MEMORY.name] = round(torch.cuda.max_memory_allocated() / _MB, 1)
        return memory

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the clock; a run that goes on notes where."""
        self._mark = self._start_time = time.monotonic()
        self._elapsed_before = read_elapsed_seconds(state.log_history)
        if state.global_step:
            state.log_history.append({"step": state.global_step, _RESUMED_KEY: 1.0})

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Add the seconds of an update, its loading included."""
        now = time.monotonic()
        self._seconds += now - self._mark
        self._mark = now

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Leave the validation out of the speed."""
        self._mark = time.monotonic()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Leave the checkpoint out of the speed."""
        self._mark = time.monotonic()


def read_elapsed_seconds(history: Iterable[Mapping[str, float]]) -> float:
    """Return the seconds up to the last log, those of killed processes included."""
    return max((entry[_ELAPSED_KEY] for entry in history if _ELAPSED_KEY in entry), default=0.0)


def find_resume_steps(history: Iterable[Mapping[str, float]]) -> list[int]:
    """Return the updates after which the run went on from a checkpoint, from `state.log_history`."""
    return [int(entry["step"]) for entry in history if _RESUMED_KEY in entry]
