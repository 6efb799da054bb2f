"""Training of a reward model from preference pairs: TRL's trainer on our token ids, reproducible and resumable."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback, set_seed
from transformers.modeling_outputs import SequenceClassifierOutput
from trl import RewardConfig, RewardTrainer
from trl.trainer.reward_trainer import DataCollatorForPreference

from seodang.alignment.preferences import PreferencePair
from seodang.alignment.reward_model import RewardModel, RewardScale, build_reward_model, rate_rows, rate_texts
from seodang.alignment.reward_model_summary import RatedPair, summarize_reward_model
from seodang.alignment.trainer_args import build_trainer_kwargs
from seodang.alignment.trainer_factory import PreferenceSplits
from seodang.alignment.trainers import Adapted
from seodang.config import AlignParams, TrainParams
from seodang.errors import TrainingError
from seodang.i18n import _
from seodang.io.atomic import replace_folder
from seodang.io.jsonl import read_json, write_json
from seodang.models.adapters import save_tuned_model
from seodang.models.tokenization import get_pad_id
from seodang.training.checkpointing import find_latest_checkpoint
from seodang.training.result import compute_mean_loss
from seodang.training.sanity_checks import check_adapter
from seodang.training.tracking import find_resume_steps, read_elapsed_seconds, remove_console_callbacks
from seodang.training.trainer_args import build_callbacks

logger = logging.getLogger(__name__)
_REPORT: Final = "reward_model.json"


class PairRewardTrainer(Adapted, RewardTrainer):  # type: ignore[misc]
    """The loss of Bradley and Terry on our token ids, with a head beside a language model."""

    def compute_loss(self, model: PeftModel, inputs: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        """Return the loss of a micro-batch; its rewards are read at the last tokens of the answers."""
        return super().compute_loss(partial(_rate, model), inputs, *arguments, **options)


def _rate(model: PeftModel, *, input_ids: Any, attention_mask: Any, use_cache: bool) -> SequenceClassifierOutput:
    """Return the rewards as TRL's trainer reads them from a classifier; there is no cache to use."""
    del use_cache
    return SequenceClassifierOutput(logits=rate_rows(model, input_ids, attention_mask)[:, None])


@dataclass(frozen=True, slots=True)
class RewardModelPaths:
    """Folders of a run."""

    base: Path
    tuned: Path
    checkpoints: Path
    output: Path  # adapter, head and report; it is complete or does not exist


def build_reward_trainer(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    splits: PreferenceSplits,
    align: AlignParams,
    train: TrainParams,
    callbacks: Sequence[TrainerCallback],
    *,
    device: str,
    run: Path,
) -> PairRewardTrainer:
    """Return TRL's Trainer of reward models on the pairs of the training split.

    Raises:
        TrainingError: If there is no pair.
    """
    if not splits.training.pairs:
        raise TrainingError(
            _(
                "align.reward model has no preference pair to learn from (too long: {too_long}); name sources in"
                " align.sources, or raise align.max_length",
                too_long=splits.training.too_long,
            )
        )
    model.config.num_labels = 1  # TRL asks for it
    changed = {"num_train_epochs": align.reward_model.epochs, "learning_rate": align.reward_model.learning_rate}
    settings = build_trainer_kwargs(align, train, device, run) | changed
    if not splits.held_out.pairs:
        settings["eval_strategy"] = "no"
    checkpointing = build_callbacks(
        train.model_copy(update={"save_steps": align.save_steps, "early_stopping_patience": 0})
    )
    trainer = PairRewardTrainer(
        model=model,
        args=RewardConfig(**{name: value for name, value in settings.items() if name != "beta"}),
        data_collator=DataCollatorForPreference(get_pad_id(tokenizer)),
        train_dataset=_build_dataset(splits.training.pairs),
        eval_dataset=_build_dataset(splits.held_out.pairs) if splits.held_out.pairs else None,
        processing_class=tokenizer,
        callbacks=[*callbacks, *checkpointing],
    )
    remove_console_callbacks(trainer)
    return trainer


def _build_dataset(pairs: Sequence[PreferencePair]) -> Dataset:
    return Dataset.from_list(
        [{"chosen_ids": pair.prompt + pair.chosen, "rejected_ids": pair.prompt + pair.rejected} for pair in pairs]
    )


def train_reward_model(
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    splits: PreferenceSplits,
    align: AlignParams,
    train: TrainParams,
    callbacks: Sequence[TrainerCallback],
    *,
    device: str,
    paths: RewardModelPaths,
) -> RewardModel:
    """Train a reward model, measure it on held-out pairs and save it; a run that finds a checkpoint resumes from it.

    Args:
        base: On its device; it becomes part of the model.
        tokenizer: Of the base.
        splits: Pairs of training and the held-out ones.
        align: The settings.
        train: Precision and activation checkpointing.
        callbacks: `PreferenceMetrics` first.
        device: "cpu", "cuda" or "mps".
        paths: The output appears only after all checks passed.

    Raises:
        TrainingError: If there is nothing to learn from, or the loss is not finite.
        ModelError: If the tuned adapter does not fit the base.
    """
    model = build_reward_model(base, paths.tuned)
    trainer = build_reward_trainer(
        model, tokenizer, splits, align, train, callbacks, device=device, run=paths.checkpoints
    )
    checkpoint = find_latest_checkpoint(paths.checkpoints)
    if checkpoint is not None:
        logger.info(_("reward model: resuming from {checkpoint}", checkpoint=checkpoint.name))
    set_seed(align.seed)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    check_adapter((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)
    scale = _measure_scale(model, splits.training.pairs)
    history = trainer.state.log_history
    figures = {
        "training_pairs": len(splits.training.pairs),
        "steps": trainer.state.global_step,
        "train_loss": round(compute_mean_loss(history), 4),
        **summarize_reward_model(_rate_pairs(model, splits.held_out.pairs, scale)),
        "training_accuracy": summarize_reward_model(_rate_pairs(model, splits.training.pairs, scale))["accuracy"],
        "scale": asdict(scale),
        "resume_steps": find_resume_steps(history),
        "elapsed_seconds": read_elapsed_seconds(history),
    }
    with replace_folder(paths.output) as folder:
        save_tuned_model(model, folder, paths.base)
        write_json(folder / _REPORT, figures)
    return RewardModel(paths.output, scale, figures)


def read_reward_model(folder: Path) -> RewardModel | None:
    """Return a reward model that an interrupted run has finished; None without one."""
    if not folder.is_dir():
        return None
    figures = read_json(folder / _REPORT)
    return RewardModel(folder, RewardScale(**figures["scale"]), figures)


def _measure_scale(model: PeftModel, pairs: Sequence[PreferencePair]) -> RewardScale:
    """Return the scale on which the answers of the training pairs have mean 0 and deviation 1."""
    outputs = np.array(rate_texts(model, [text for pair in pairs for text in _list_texts(pair)]))
    mean, deviation = float(outputs.mean()), float(outputs.std())
    if deviation == 0.0:
        raise TrainingError(
            _("the reward model rates all answers equally: training changed nothing; raise align.reward_model.epochs")
        )
    return RewardScale(mean, deviation, float((outputs.min() - mean) / deviation))


def _rate_pairs(model: PeftModel, pairs: Sequence[PreferencePair], scale: RewardScale) -> list[RatedPair]:
    outputs = rate_texts(model, [text for pair in pairs for text in _list_texts(pair)])
    rewards = [(output - scale.mean) / scale.deviation for output in outputs]
    return [
        RatedPair(pair.group, chosen, rejected, len(pair.chosen), len(pair.rejected))
        for pair, chosen, rejected in zip(pairs, rewards[::2], rewards[1::2], strict=True)
    ]


def _list_texts(pair: PreferencePair) -> tuple[list[int], list[int]]:
    return pair.prompt + pair.chosen, pair.prompt + pair.rejected
