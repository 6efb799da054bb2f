"""Small runs of preference tuning in this process and in launched ones, which import this module."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tests.fixtures.training import create_preference_records
from transformers import TrainerCallback

from seodang.alignment.metrics import PreferenceMetrics
from seodang.alignment.preferences import Preferences, tokenize_preferences
from seodang.alignment.rated_prompts import build_rated_prompts
from seodang.alignment.reward_model import RewardModel
from seodang.alignment.reward_model_training import RewardModelPaths, read_reward_model, train_reward_model
from seodang.alignment.reward_prompts import RewardPrompt, RewardPrompts
from seodang.alignment.rewards import Goal
from seodang.alignment.trainer_factory import PreferenceSplits
from seodang.alignment.tuning import AlignmentPaths, AlignmentResult, align_model
from seodang.config import AlignParams, TrainParams
from seodang.models.loading import load_model, load_tokenizer
from seodang.models.tokenization import tokenize_record
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


def build_reward_prompts(tokenizer: Any) -> list[RewardPrompt]:
    """Return 8 prompts; half of them forbid Latin letters, and half ask for short answers."""
    goals = (
        Goal(ids=("korean:no_latin_letters",), arguments=({},), language="ko"),
        Goal(
            ids=("korean:number_characters",),
            arguments=({"num_characters": 5, "relation": "less than"},),
            language="ko",
        ),
    )
    return [
        RewardPrompt(
            id=record.id,
            group=record.id,
            language="ko",
            prompt=tokenize_record(tokenizer, record, FORMAT).prompt,
            goal=goals[number % 2],
        )
        for number, record in enumerate(create_preference_records(8))
    ]


def run_rewards(
    base: Path, tuned: Path, folder: Path, align: AlignParams, train: TrainParams, callbacks: tuple[Any, ...] = ()
) -> AlignmentResult:
    """Tune with rewards in a folder: run (checkpoints), adapter."""
    tokenizer = load_tokenizer(base)
    return align_model(
        load_model(base, "fp32", "cpu"),
        tokenizer,
        RewardPrompts(build_reward_prompts(tokenizer), [], tokenizer.eos_token_id),
        align,
        train,
        [PreferenceMetrics(), *callbacks],
        device="cpu",
        paths=AlignmentPaths(base=base, tuned=tuned, checkpoints=folder / "run", output=folder / "adapter"),
    )


def tokenize_splits(base: Path) -> PreferenceSplits:
    """Return 12 training pairs and 12 held-out ones."""
    return PreferenceSplits(
        tokenize(base, create_preference_records(12)), tokenize(base, create_preference_records(12, first=100))
    )


def run_reward_model(
    base: Path, tuned: Path, folder: Path, align: AlignParams, train: TrainParams, callbacks: tuple[Any, ...] = ()
) -> RewardModel:
    """Train a reward model in a folder: reward_run (checkpoints), reward."""
    return train_reward_model(
        load_model(base, "fp32", "cpu"),
        load_tokenizer(base),
        tokenize_splits(base),
        align,
        train,
        [PreferenceMetrics(), *callbacks],
        device="cpu",
        paths=RewardModelPaths(
            base=base, tuned=tuned, checkpoints=folder / "reward_run", output=folder / "reward_model"
        ),
    )


def run_rated(
    base: Path, tuned: Path, folder: Path, align: AlignParams, train: TrainParams, callbacks: tuple[Any, ...] = ()
) -> AlignmentResult:
    """Tune with a reward model, which is trained first: run (checkpoints), adapter, and those of `run_reward_model`."""
    model = read_reward_model(folder / "reward_model") or run_reward_model(base, tuned, folder, align, train)
    tokenizer, splits = load_tokenizer(base), tokenize_splits(base)
    prompts = build_rated_prompts(splits.training.pairs, splits.held_out.pairs, model, align, tokenizer.eos_token_id)
    return align_model(
        load_model(base, "fp32", "cpu"),
        tokenizer,
        prompts,
        align,
        train,
        [PreferenceMetrics(), *callbacks],
        device="cpu",
        paths=AlignmentPaths(base=base, tuned=tuned, checkpoints=folder / "run", output=folder / "adapter"),
    )


def compute_log_probs(model: Any, prompt: list[int], answer: list[int]) -> torch.Tensor:
    """Return the log-probability of each token of a text after the first one, without TRL."""
    ids = torch.tensor([prompt + answer])
    logits = model(input_ids=ids).logits[0, :-1].float()
    log_probs: torch.Tensor = logits.log_softmax(-1).gather(-1, ids[0, 1:, None])[:, 0]
    return log_probs


def run_killed(
    base: Path,
    tuned: Path,
    folder: Path,
    align: AlignParams,
    train: TrainParams,
    step: int,
    run: Callable[..., object] = run_alignment,
) -> None:
    """Tune in a separate process until SIGKILL ends it after an optimizer step."""
    code = "import pickle, sys; import tests.alignment.alignment_processes; f, a = pickle.load(sys.stdin.buffer); f(*a)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps((run, (base, tuned, folder, align, train, (KillAt(step),)))),
        capture_output=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
