"""The part of a callback that trackers and dvclive share: which log entries become points of curves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from seodang.training.curves import CURVES

_NAMES = frozenset(curve.name for curve in CURVES)


class CurveCallback(TrainerCallback, ABC):
    """Logs the curves of a run in the main process, with the history of the checkpoint that it resumes."""

    @abstractmethod
    def _open(self) -> None:
        """Open the places that the curves go to."""

    @abstractmethod
    def _log(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values of an optimizer step; nothing is open in other processes than the main one."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_kwargs: Any
    ) -> None:
        """Open, and log the history of the checkpoint."""
        if not state.is_world_process_zero:
            return
        self._open()
        for entry in state.log_history:
            self._log(int(entry["step"]), select_curves(entry))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_kwargs: Any,
    ) -> None:
        """Log the curves of an entry."""
        self._log(state.global_step, select_curves(logs or {}))


def select_curves(logs: Mapping[str, float]) -> dict[str, float]:
    """Return the entries of a log that are curves."""
    return {name: value for name, value in logs.items() if name in _NAMES}
