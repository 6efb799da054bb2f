"""Measure one run of training: what it trains, the end and the loss of each optimizer step, a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Imports of torch and transformers stand inside functions: the parent process only starts the measured ones.
if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, TrainerCallback

    from seodang.config import TrainParams
    from seodang.training.dataset import TokenizedDataset

WARM_UP_STEPS = 3  # optimizer steps that no figure counts


@dataclass(frozen=True, slots=True)
class Workload:
    """What every variant trains."""

    base: Path
    tokenizer: PreTrainedTokenizerBase
    dataset: TokenizedDataset
    steps: list[list[int]]  # the records of each optimizer step
    train: TrainParams
    folder: Path  # for temporary files


@dataclass(slots=True)
class StepTimer:
    """The end and the loss of each optimizer step."""

    ends: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def build_callback(self) -> TrainerCallback:
        """Return the Trainer's callback that fills the lists; every optimizer step must be logged."""
        from transformers import TrainerCallback

        timer = self

        class Callback(TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                timer.ends.append(time.perf_counter())

            def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                logs: dict[str, float] = kwargs["logs"]
                if "train_runtime" not in logs:  # the summary after the last optimizer step
                    timer.losses += [logs[name] for name in ("loss", "train_loss") if name in logs]

        return Callback()

    def get_seconds(self) -> float:
        """Return the time of all counted optimizer steps."""
        return self.ends[-1] - self.ends[WARM_UP_STEPS - 1]

    def compute_mean_loss(self) -> float:
        """Return the mean loss of the counted optimizer steps."""
        counted = self.losses[WARM_UP_STEPS:]
        return sum(counted) / len(counted)


def run_in_process(script: str, *arguments: str) -> dict[str, float]:
    """Run a benchmark script in a process of its own; return the JSON object of the last line that it prints."""
    completed = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)
    if completed.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{completed.stderr[-3000:]}")
    figures: dict[str, float] = json.loads(completed.stdout.splitlines()[-1])
    return figures
