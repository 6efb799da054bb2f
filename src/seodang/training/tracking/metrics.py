"""Metrics of a run, and the names under which they are logged."""

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
    """Speed and memory of the optimizer steps since the last log entry.

    The speed includes the time of loading data, but not of evaluations and checkpoints.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._records = self._tokens = self._label_tokens = 0
        self._seconds = 0.0  # of training since the last log entry
        self._mark = self._start_time = time.monotonic()
        self._elapsed_before = 0.0  # seconds of earlier processes of the run

    def count(self, *, records: int, tokens: int, label_tokens: int) -> None:
        """Count an optimizer step; evaluations are not counted.

        Args:
            records: Of all processes, as are the two numbers below.
            tokens: Of prompts and answers, without padding, as if no prefix were shared.
            label_tokens: Tokens that are labels.

        """
        self._records += records
        self._tokens += tokens
        self._label_tokens += label_tokens

    def build_log_entry(self, logs: Mapping[str, float]) -> dict[str, float]:
        """Return the entry that `Trainer.log` logs instead of `logs`: the current values of the curves.

        An entry with the training loss gets speed and memory, and starts the next measurement. The summary at the
        end of training (train_runtime ...) belongs to no curve: its entry is empty and is not logged.
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
        """Start the clock; a resumed run logs its step."""
        self._mark = self._start_time = time.monotonic()
        self._elapsed_before = read_elapsed_seconds(state.log_history)
        if state.global_step:
            state.log_history.append({"step": state.global_step, _RESUMED_KEY: 1.0})

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Add the seconds of an optimizer step, with the loading of its data."""
        now = time.monotonic()
        self._seconds += now - self._mark
        self._mark = now

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Exclude the evaluation from the speed."""
        self._mark = time.monotonic()

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Exclude the checkpoint from the speed."""
        self._mark = time.monotonic()


def read_elapsed_seconds(history: Iterable[Mapping[str, float]]) -> float:
    """Return the seconds up to the last log entry, with those of interrupted processes."""
    return max((entry[_ELAPSED_KEY] for entry in history if _ELAPSED_KEY in entry), default=0.0)


def find_resume_steps(history: Iterable[Mapping[str, float]]) -> list[int]:
    """Return the optimizer steps after which the run resumed, from `state.log_history`."""
    return [int(entry["step"]) for entry in history if _RESUMED_KEY in entry]
