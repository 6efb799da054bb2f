"""Progress of training: a bar on a terminal, else a line per epoch and every few minutes; for flows, a file."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from seodang.i18n import _
from seodang.io.jsonl import write_json
from seodang.training import curves
from seodang.training.tracking.metrics import read_elapsed_seconds

if TYPE_CHECKING:
    from tqdm import tqdm

logger = logging.getLogger(__name__)

_FILE_VARIABLE: Final = "SEODANG_PROGRESS_FILE"
_FILE_SECONDS = 1.0  # from one content of that file to the next
_LINE_SECONDS = 300  # without a bar, most seconds from one line to the first log entry that gets the next


class Progress(TrainerCallback):
    """A bar over all optimizer steps with losses and remaining time; without a terminal, a line now and then.

    A line stands at each epoch's end, and within a long epoch every few minutes.
    """

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._start_time = self._line_time = 0.0
        self._first_step = 0  # optimizer steps before this process
        self._epoch_over = False
        self._file_time = -math.inf

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_kwargs: Any
    ) -> None:
        """Start at zero or at the checkpoint."""
        self._start_time = self._line_time = time.monotonic()
        self._first_step, self._epoch_over = state.global_step, False
        if state.is_world_process_zero and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                desc=_("training"),
                total=state.max_steps,
                initial=state.global_step,
                unit=_(" steps"),
                leave=False,
                dynamic_ncols=True,
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_kwargs: Any
    ) -> None:
        """Move the bar; write the file for flows, if there is one."""
        if (name := os.environ.get(_FILE_VARIABLE)) and state.is_world_process_zero:
            self._write_file(Path(name), state)
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_kwargs: Any) -> None:
        """Show the losses beside the bar, or log a line if the last one is some minutes old."""
        if self._bar is not None:
            labels = ((_("loss"), curves.TRAIN_LOSS), (_("validation"), curves.VALIDATION_LOSS))
            values = ((label, _find_last(state.log_history, curve.name)) for label, curve in labels)
            self._bar.set_postfix({label: f"{value:.3f}" for label, value in values if value is not None})
        elif time.monotonic() - self._line_time >= _LINE_SECONDS and state.global_step < state.max_steps:
            self._log_line(state)

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_kwargs: Any
    ) -> None:
        """Log the line of the epoch before, with its evaluation."""
        self._log_epoch(state)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_kwargs: Any
    ) -> None:
        """Remember that a line is due: the evaluation comes after this."""
        self._epoch_over = True

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_kwargs: Any
    ) -> None:
        """Log the last line, or remove the bar."""
        self._log_epoch(state)
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _write_file(self, file: Path, state: TrainerState) -> None:
        if state.global_step < state.max_steps and time.monotonic() - self._file_time < _FILE_SECONDS:
            return
        self._file_time = time.monotonic()
        losses = {
            curve.name: _find_last(state.log_history, curve.name)
            for curve in (curves.TRAIN_LOSS, curves.VALIDATION_LOSS)
        }
        write_json(file, {"step": state.global_step, "steps": state.max_steps, **losses})

    def _log_epoch(self, state: TrainerState) -> None:
        due, self._epoch_over = self._epoch_over, False
        if due:
            self._log_line(state)

    def _log_line(self, state: TrainerState) -> None:
        if state.is_world_process_zero and self._bar is None:
            self._line_time = time.monotonic()
            seconds = (self._line_time - self._start_time) / max(1, state.global_step - self._first_step)
            logger.info(format_epoch_line(state, seconds * (state.max_steps - state.global_step)))


def format_epoch_line(state: TrainerState, seconds_left: float) -> str:
    """Return a line on the current epoch, or on the one that has just ended.

    Args:
        state: State of the Trainer, with its log history.
        seconds_left: Estimated seconds of the remaining optimizer steps.

    """
    history = state.log_history
    epoch = state.epoch or 0.0
    epochs = epoch * state.max_steps / max(1, state.global_step)  # state.num_train_epochs is rounded up
    train_loss = _compute_mean_loss(history, math.ceil(epoch - 1e-9))
    parts = [
        _("epoch {epoch:.3g}/{epochs:.3g}", epoch=epoch, epochs=epochs),
        _("step {step:,}/{steps:,}", step=state.global_step, steps=state.max_steps),
        *([] if train_loss is None else [_("training loss {loss:.3f}", loss=train_loss)]),
    ]
    validation, speed = (_find_last(history, curve.name) for curve in (curves.VALIDATION_LOSS, curves.TOKENS))
    parts += [] if validation is None else [_("validation loss {loss:.3f}", loss=validation)]
    parts += [] if speed is None else [_("{speed:,.0f} tokens/s", speed=speed)]
    elapsed = _format_duration(read_elapsed_seconds(history))
    times = [_("elapsed {time}", time=elapsed), _("remaining {time}", time=_format_duration(seconds_left))]
    return ", ".join([*parts, *times])


def _compute_mean_loss(history: Sequence[dict[str, float]], epoch: int) -> float | None:
    """Return the mean training loss of an epoch (from 1), each log entry weighted by its optimizer steps.

    None if the epoch has no entry, because it has fewer optimizer steps than train.logging_steps.
    """
    total, steps, step = 0.0, 0, 0
    losses = [entry for entry in history if curves.TRAIN_LOSS.name in entry]
    for entry in losses:
        span, step = int(entry["step"]) - step, int(entry["step"])
        if math.ceil(entry["epoch"] - 1e-9) == epoch:
            total, steps = total + span * entry[curves.TRAIN_LOSS.name], steps + span
    return total / steps if steps else None


def _find_last(history: Sequence[dict[str, float]], name: str) -> float | None:
    return next((entry[name] for entry in reversed(history) if name in entry), None)


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
