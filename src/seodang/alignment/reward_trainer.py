"""GRPO by TRL's trainer, on our token ids (Shao et al. 2024, arXiv 2402.03300)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from datasets import Dataset
from peft import PeftModel
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer
from trl.models.utils import unwrap_model_for_generation

from seodang.alignment.group_sampling import sample_answers
from seodang.alignment.group_scoring import score_answers
from seodang.alignment.measures import Question
from seodang.alignment.rated_prompts import RatedPrompts, build_model_reward
from seodang.alignment.reward_prompts import RewardPrompt, RewardPrompts
from seodang.alignment.rewards import compute_reward
from seodang.alignment.trainers import Adapted
from seodang.config import AlignParams
from seodang.errors import TrainingError
from seodang.i18n import _
from seodang.inference.tree_attention import can_continue_cache
from seodang.models.stop_tokens import get_stop_ids
from seodang.models.tokenization import decode_answer

RewardFunction = Callable[..., list[float]]
"""Takes the columns `index` and `completion_ids` of a batch by keyword, among others; returns a reward of each row."""
MET = "constraints_met"  # logged name of the share of constraints that the answers of a step meet


class PromptGRPOTrainer(Adapted, GRPOTrainer):  # type: ignore[misc]
    """GRPO on our token ids: the column `prompt` holds them, and an answer ends at our end tokens."""

    def __init__(self, end_id: int, **arguments: Any) -> None:
        """Build TRL's trainer; `end_id` is the end token of the prompt format."""
        super().__init__(**arguments)
        self.eos_token_ids = get_stop_ids(self.model, end_id)
        self.generation_config.eos_token_id = self.generation_kwargs["eos_token_id"] = self.eos_token_ids
        longest = max((len(row["prompt"]) for row in self.train_dataset), default=0) + self.max_completion_length
        self._shares_prompts = can_continue_cache(self.model.get_base_model(), longest) and not self.aux_loss_enabled

    def _tokenize_prompts(self, prompts: list[list[int]]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """Return the ids as they are."""
        return prompts, None, {}

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], *arguments: Any, **options: Any
    ) -> tuple[list[list[int]], None]:
        """Return the answers; TRL's way for models whose prompts cannot be shared."""
        if not self._shares_prompts:
            answers: tuple[list[list[int]], None] = super()._generate_single_turn(prompt_ids, *arguments, **options)
            return answers
        with unwrap_model_for_generation(self.model_wrapped, self.accelerator) as model:
            was_training = model.training
            model.eval()
            sampled = sample_answers(
                model,
                prompt_ids,
                stop_ids=self.eos_token_ids,
                max_new_tokens=self.max_completion_length,
                temperature=self.temperature,
            )
            model.train(was_training)
        return sampled, None

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        *arguments: Any,
        **options: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return log-probabilities and entropies at the tokens of the answers; each prompt is computed once."""
        if not self._shares_prompts:
            values: tuple[Tensor, Tensor | None, Tensor | None] = super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, *arguments, **options
            )
            return values
        prompts, answers = (
            [row[kept].tolist() for row, kept in zip(ids, mask.bool(), strict=True)]
            for ids, mask in (
                (input_ids[:, :-logits_to_keep], attention_mask[:, :-logits_to_keep]),
                (input_ids[:, -logits_to_keep:], attention_mask[:, -logits_to_keep:]),
            )
        )
        log_probs, entropies = score_answers(model, prompts, answers, temperature=self.temperature)
        missing = (0, logits_to_keep - log_probs.shape[1])  # the longest answer may be in another micro-batch
        return pad(log_probs, missing), pad(entropies, missing), None


def build_reward_dataset(prompts: Sequence[Question], align: AlignParams) -> Dataset:
    """Return the rows of all epochs in their order; a resumed run skips those that it has read.

    TRL's sampler is seeded once, so that a run that resumes in its second epoch would read another order.

    Raises:
        TrainingError: If there are fewer prompts than an optimizer step needs.
    """
    rng = random.Random(align.seed)
    order: list[int] = []
    while len(order) < len(prompts) * align.epochs:
        order += rng.sample(range(len(prompts)), len(prompts))
    order = order[: round(len(prompts) * align.epochs)]
    if len(order) < align.batch_size:
        raise TrainingError(
            _(
                "method grpo: too few prompts to learn from ({count}), align.batch_size is {batch_size}; add records"
                " (which ones count: docs/rewards.md), or raise align.max_length",
                count=len(prompts),
                batch_size=align.batch_size,
            )
        )
    return Dataset.from_list([{"prompt": prompts[index].prompt, "index": index} for index in order])


def build_rule_reward(
    prompts: Sequence[RewardPrompt], tokenizer: PreTrainedTokenizerBase, stop_ids: Sequence[int]
) -> RewardFunction:
    """Return the function that rewards answers by rules, and logs the share of constraints that they meet."""

    def reward_by_rules(
        *, index: list[int], completion_ids: list[list[int]], log_metric: Callable[[str, float], None], **_columns: Any
    ) -> list[float]:
        rewards = [
            compute_reward(prompts[number].goal, decode_answer(tokenizer, ids, stop_ids), ends=ids[-1] in stop_ids)
            for number, ids in zip(index, completion_ids, strict=True)
        ]
        met = [is_met for reward in rewards for is_met in reward.met]
        if met:
            log_metric(MET, sum(met) / len(met))
        return [reward.value for reward in rewards]

    return reward_by_rules


def build_reward_arguments(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: RewardPrompts | RatedPrompts,
    align: AlignParams,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Return the arguments of `PromptGRPOTrainer`, besides model, tokenizer and callbacks.

    Args:
        model: The tuned model.
        tokenizer: Of the base.
        prompts: With rules, or with a reward model.
        align: Section `align`.
        settings: Of `build_trainer_kwargs`.
    """
    stop_ids = get_stop_ids(model, prompts.end_id)
    reward = (
        build_rule_reward(prompts.training, tokenizer, stop_ids)
        if isinstance(prompts, RewardPrompts)
        else build_model_reward(model, tokenizer, prompts, stop_ids)
    )
    return {
        "args": _build_config(settings, align),
        "train_dataset": build_reward_dataset(prompts.training, align),
        "reward_funcs": [reward],
    }


def _build_config(settings: dict[str, Any], align: AlignParams) -> GRPOConfig:
    """Return the configuration of GRPO as published: one update per batch of answers, and the KL term in the loss."""
    shared = {name: value for name, value in settings.items() if name != "max_length"}
    changed = {
        "per_device_train_batch_size": align.micro_batch_size * align.group_size,
        "num_train_epochs": 1,  # the rows are those of all epochs
        "eval_strategy": "no",
    }
    return GRPOConfig(
        **shared | changed,
        num_generations=align.group_size,
        max_completion_length=align.max_new_tokens,
        temperature=align.temperature,
        loss_type="grpo",
        scale_rewards="group",
        use_bias_correction_kl=False,  # TRL's default weights the KL term with the importance ratio
        shuffle_dataset=False,
        disable_dropout=True,
    )
