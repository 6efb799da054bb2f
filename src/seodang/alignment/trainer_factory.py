"""Construction of TRL's Trainer of a method, on our token ids."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from datasets import Dataset, are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from peft import PeftModel
from transformers import PreTrainedTokenizerBase, Trainer, TrainerCallback
from trl import DPOConfig, KTOConfig
from trl.experimental.orpo import ORPOConfig

from seodang.alignment.datasets import build_dataset
from seodang.alignment.methods import get_alignment_method
from seodang.alignment.preferences import Preferences
from seodang.alignment.rated_prompts import RatedPrompts
from seodang.alignment.reward_prompts import RewardPrompts
from seodang.alignment.trainer_args import build_trainer_kwargs
from seodang.alignment.trainers import AnswerKTOTrainer, PairDPOTrainer, PairORPOTrainer
from seodang.config import AlignParams, TrainParams
from seodang.training.tracking import remove_console_callbacks
from seodang.training.tracking.unused_trackers import hide_unused_trackers
from seodang.training.trainer_args import build_callbacks

_NO_BARS: Final = "TQDM_DISABLE"


@dataclass(frozen=True, slots=True)
class PreferenceSplits:
    """The preference records of training and the held-out ones."""

    training: Preferences
    held_out: Preferences


def build_trainer(
    tuned_model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    data: PreferenceSplits | RewardPrompts | RatedPrompts,
    align: AlignParams,
    train: TrainParams,
    callbacks: Sequence[TrainerCallback],
    *,
    device: str,
    run: Path,
) -> Trainer:
    """Return TRL's Trainer of the method; but for ORPO it adds a copy of the adapter as the reference.

    Raises:
        TrainingError: If there is nothing to learn from.
    """
    settings = build_trainer_kwargs(align, train, device, run)
    checkpointing = build_callbacks(
        train.model_copy(update={"save_steps": align.save_steps, "early_stopping_patience": 0})
    )
    if isinstance(data, RewardPrompts | RatedPrompts):
        with hide_unused_trackers(train.report_to):  # the other methods have imported less of TRL
            from seodang.alignment.reward_trainer import PromptGRPOTrainer, build_reward_arguments

        create: Callable[..., Trainer] = partial(PromptGRPOTrainer, data.end_id)
        arguments = build_reward_arguments(tuned_model, tokenizer, data, align, settings)
    else:
        create, arguments = _build_preference_arguments(data, align, settings)
    with _bars_on_terminals_only():
        trainer = create(
            model=tuned_model, processing_class=tokenizer, callbacks=[*callbacks, *checkpointing], **arguments
        )
    remove_console_callbacks(trainer)
    return trainer


@contextmanager
def _bars_on_terminals_only() -> Iterator[None]:
    """Let TRL show the progress of the reference's log-probabilities on a terminal, and no bars of its data sets."""
    before = os.environ.get(_NO_BARS)
    if not sys.stderr.isatty():
        os.environ[_NO_BARS] = "1"
    shows_bars = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shows_bars:
            enable_progress_bars()
        os.environ.pop(_NO_BARS, None)
        os.environ |= {} if before is None else {_NO_BARS: before}


def _build_preference_arguments(
    splits: PreferenceSplits, align: AlignParams, settings: dict[str, Any]
) -> tuple[Callable[..., Trainer], dict[str, Any]]:
    training = _build_dataset(splits.training, align)
    method = get_alignment_method(align)
    has_held_out = bool(splits.held_out.list_answers() if method.uses_single_answers else splits.held_out.pairs)
    if not has_held_out:
        settings["eval_strategy"] = "no"
    held_out = _build_dataset(splits.held_out, align) if has_held_out else None
    return _select_trainer(align, settings), {"train_dataset": training, "eval_dataset": held_out}


def _build_dataset(preferences: Preferences, align: AlignParams) -> Dataset:
    return build_dataset(
        preferences, get_alignment_method(align), seed=align.seed, micro_batch_size=align.micro_batch_size
    )


def _select_trainer(align: AlignParams, settings: dict[str, Any]) -> Callable[..., Trainer]:
    match align.method:
        case "kto":
            weights = {"desirable_weight": align.desirable_weight, "undesirable_weight": align.undesirable_weight}
            return partial(AnswerKTOTrainer, args=KTOConfig(**settings, **weights))
        case "orpo":
            return partial(PairORPOTrainer, args=ORPOConfig(**settings))
        case _:
            losses = {"sigmoid": 1.0, **({"sft": align.likelihood_weight} if align.likelihood_weight else {})}
            settings |= {"loss_type": list(losses), "loss_weights": list(losses.values())}
            settings["precompute_ref_log_probs"] = align.epochs > 1  # once, in place of once in each epoch
            return partial(PairDPOTrainer, args=DPOConfig(**settings))
