"""The reward model of stage `align`: trained before GRPO, and refused if it is not shown to be better than chance."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from seodang.alignment.metrics import PreferenceMetrics
from seodang.alignment.rated_prompts import RatedPrompts, build_rated_prompts
from seodang.alignment.reward_model import RewardModel
from seodang.alignment.reward_model_summary import format_accuracy, require_better_than_chance, require_pairs
from seodang.alignment.reward_model_training import RewardModelPaths, read_reward_model, train_reward_model
from seodang.alignment.trainer_factory import PreferenceSplits
from seodang.config import AlignParams, PromptParams, TrainParams
from seodang.i18n import _, ngettext
from seodang.models.loading import check_max_length, load_model
from seodang.models.methods import get_method
from seodang.models.tokenization import get_end_id
from seodang.paths import Paths
from seodang.training.tracking.progress import Progress

logger = logging.getLogger(__name__)


def prepare_rated_prompts(
    prompt: PromptParams,
    train: TrainParams,
    align: AlignParams,
    splits: PreferenceSplits,
    tokenizer: PreTrainedTokenizerBase,
    device: str,
    run_dir: Path,
    paths: Paths,
) -> RatedPrompts:
    """Return the prompts of GRPO with the reward model, which is trained first unless an interrupted run has done so.

    Raises:
        RewardModelRejected: If held-out pairs do not show that it is better than chance.
        TrainingError: If there is nothing to learn from, or training diverged.
    """
    require_pairs(len(splits.held_out.pairs), align.bounds)
    folder = run_dir / "reward_model"
    model = read_reward_model(folder) or _train(train, align, splits, tokenizer, device, run_dir, paths)
    _log_figures(model.figures)
    require_better_than_chance(model.figures)
    end_id = get_end_id(tokenizer, prompt.format)
    return build_rated_prompts(splits.training.pairs, splits.held_out.pairs, model, align, end_id)


def _train(
    train: TrainParams,
    align: AlignParams,
    splits: PreferenceSplits,
    tokenizer: PreTrainedTokenizerBase,
    device: str,
    run_dir: Path,
    paths: Paths,
) -> RewardModel:
    base = load_model(paths.base, train.precision, device, load_in_4bit=get_method(train).loads_in_4bit)
    check_max_length(base.config, align.max_length)
    return train_reward_model(
        base,
        tokenizer,
        splits,
        align,
        train,
        [PreferenceMetrics(), Progress()],
        device=device,
        paths=RewardModelPaths(
            base=paths.base,
            tuned=paths.adapter,
            checkpoints=run_dir / "reward_checkpoints",
            output=run_dir / "reward_model",
        ),
    )


def _log_figures(figures: Mapping[str, Any]) -> None:
    logger.info(
        _(
            "reward model: right in {accuracy} of {pairs} (better answer longer: {longer}, shorter: {shorter}), margin"
            " {margin:.2f}, correlation with length {correlation}",
            accuracy=format_accuracy(figures["accuracy"]),
            pairs=ngettext("{count} held-out pair", "{count} held-out pairs", figures["pairs"]),
            longer=format_accuracy(figures["better_is_longer"]["accuracy"]),
            shorter=format_accuracy(figures["better_is_shorter"]["accuracy"]),
            margin=figures["margin"]["value"],
            correlation="-" if (value := figures["length_correlation"]["value"]) is None else f"{value:+.2f}",
        )
    )
