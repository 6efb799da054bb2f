"""GRPO with a reward model: the prompts are those of the preference pairs, and the model rates the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from seodang.alignment.preferences import PreferencePair, select_prompts
from seodang.alignment.reward_model import AnswerRater, RewardModel, add_reward_adapter
from seodang.config import AlignParams


@dataclass(frozen=True, slots=True)
class RatedPrompts:
    """Prompts of training and the held-out ones: one pair of each, whose answers are not used."""

    training: list[PreferencePair]
    held_out: list[PreferencePair]
    end_id: int
    """End token of the prompt format."""
    reward_model: RewardModel


def build_rated_prompts(
    training: Sequence[PreferencePair],
    held_out: Sequence[PreferencePair],
    reward_model: RewardModel,
    align: AlignParams,
    end_id: int,
) -> RatedPrompts:
    """Return the prompts of the pairs, as select_prompts does, with their reward model."""
    training, held_out = (select_prompts(pairs, align) for pairs in (training, held_out))
    return RatedPrompts(training, held_out, end_id, reward_model)


def build_model_reward(
    model: PeftModel, tokenizer: PreTrainedTokenizerBase, prompts: RatedPrompts, stop_ids: Sequence[int]
) -> Callable[..., list[float]]:
    """Return the function that rewards answers by the reward model, which becomes an adapter of the trained model."""
    rater = build_rater(model, tokenizer, prompts)

    def reward_by_model(*, prompts: list[list[int]], completion_ids: list[list[int]], **_columns: Any) -> list[float]:
        answers = [[*ids[:-1], rater.end_id] if ids and ids[-1] in stop_ids else ids for ids in completion_ids]
        return rater.rate(prompts, answers)

    return reward_by_model


def build_rater(model: PeftModel, tokenizer: PreTrainedTokenizerBase, prompts: RatedPrompts) -> AnswerRater:
    """Return the rater of a model, to which the reward model is added as an adapter."""
    add_reward_adapter(model, prompts.reward_model.folder)
    return AnswerRater(model, prompts.reward_model.scale, tokenizer, prompts.end_id)
