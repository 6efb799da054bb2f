"""Section `align`: preference tuning after training."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from seodang.config.ingest import SourceParams
from seodang.config.section import Ratio, Section
from seodang.i18n import _


class AlignBoundParams(Section):
    """What the aligned model may change; the gate compares the complete interval of each figure with its bound."""

    minimum_pairs: PositiveInt
    """dpo, kto, orpo: held-out pairs; with fewer, the aligned model is not promoted. With kto, as many held-out
    questions with a thumb up and as many with a thumb down judge too."""
    minimum_reward_accuracy: Ratio
    """Share of held-out pairs whose preferred answer gained more log-probability than the rejected one; it must be
    above this."""
    maximum_chosen_drop: NonNegativeFloat
    """Nats by which the mean log-probability of the preferred answers of held-out pairs may fall."""
    minimum_prompts: PositiveInt
    """grpo: held-out prompts; with fewer, the aligned model is not promoted."""
    minimum_reward_change: float
    """grpo: the change of the mean reward on held-out prompts must be above it."""
    maximum_kl_per_token: PositiveFloat
    """KL divergence from the tuned model in nats, at each token of the aligned model's own answers."""
    minimum_length_ratio: PositiveFloat
    """Length of the aligned model's answers, relative to those of the tuned one."""
    maximum_length_ratio: PositiveFloat

    @model_validator(mode="after")
    def _check_length_ratios(self) -> Self:
        if self.minimum_length_ratio > self.maximum_length_ratio:
            raise ValueError(
                _(
                    "minimum_length_ratio {minimum:g} is above maximum_length_ratio {maximum:g}, so no model could be"
                    " promoted; exchange them",
                    minimum=self.minimum_length_ratio,
                    maximum=self.maximum_length_ratio,
                )
            )
        return self


class RewardModelParams(Section):
    """Training of the reward model; what is not here is as in GRPO, and a batch is one of pairs."""

    learning_rate: PositiveFloat
    epochs: PositiveFloat


class AlignParams(Section):
    """The method, its preference data and its optimizer; method none switches the stage off."""

    method: Literal["none", "dpo", "kto", "orpo", "grpo"]
    """dpo (Rafailov et al. 2023) and kto (Ethayarajh et al. 2024) start from the tuned adapter, which is also their
    reference; so does grpo (Shao et al. 2024), which learns from rewards of its own answers; orpo (Hong et al. 2024)
    starts from the base and has no reference."""
    reward: Literal["rules", "model"]
    """grpo: rules verify the answers, or a reward model rates them, which is first trained from the pairs (Ouyang et
    al. 2022)."""
    reward_model: RewardModelParams
    sources: list[SourceParams]
    """Preference pairs (dpo, orpo; kto takes both sides) and single answers with a thumb up or down (kto)."""
    seed: NonNegativeInt
    replay_ratio: NonNegativeFloat
    """dpo, kto, orpo: pairs made of training records, for each preference record: the right answer against that of
    another record of the task. They hold what the model was tuned for."""
    beta: PositiveFloat
    """dpo, kto: how strongly the reference holds the model; grpo: weight of the KL term; orpo: weight of the odds
    ratio, lambda in the paper."""
    likelihood_weight: NonNegativeFloat
    """dpo: weight of the likelihood loss of the preferred answers beside DPO's loss (Pang et al. 2024); 0: none."""
    learning_rate: PositiveFloat
    lr_scheduler: Literal["linear", "cosine", "constant"]
    warmup_ratio: Ratio
    """Share of the optimizer steps."""
    epochs: PositiveFloat
    batch_size: PositiveInt
    """Pairs per optimizer step; with kto single answers, with grpo prompts."""
    micro_batch_size: PositiveInt
    """Pairs, answers or prompts of one forward pass; an optimizer step with more accumulates gradients."""
    max_length: PositiveInt
    """Tokens of prompt and answer; a longer pair is left out and counted, never cut."""
    max_grad_norm: PositiveFloat
    desirable_weight: PositiveFloat
    """kto: weight of the answers with a thumb up."""
    undesirable_weight: PositiveFloat
    """kto: weight of the answers with a thumb down."""
    prompts: PositiveInt
    """grpo: prompts built from the training split, three with constraints for each closed question, and as many at most
    from the test split."""
    selections: PositiveInt
    """grpo: selections of constraints for each record; each gives a prompt."""
    drop_uniform_prompts: bool
    """grpo with rules: leave out the prompts to which all sampled answers of the tuned model earn the same."""
    group_size: Annotated[int, Field(ge=2)]
    """grpo: answers to each prompt, whose rewards are compared with each other."""
    max_new_tokens: PositiveInt
    """grpo: tokens of an answer."""
    temperature: PositiveFloat
    """grpo: of the sampling of answers."""
    measured_prompts: PositiveInt
    """Held-out prompts that the tuned and the aligned model answer, for length and drift."""
    bounds: AlignBoundParams
    """Read by the gate."""
    save_steps: PositiveInt
    """Optimizer steps between checkpoints, from which an interrupted run resumes."""
    logging_steps: PositiveInt
    """Optimizer steps between log entries."""

    @model_validator(mode="after")
    def _check_batch(self) -> Self:
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                _(
                    "batch_size {batch_size} is no multiple of micro_batch_size {micro_batch_size}; change one of them",
                    batch_size=self.batch_size,
                    micro_batch_size=self.micro_batch_size,
                )
            )
        if self.method == "grpo" and self.max_new_tokens >= self.max_length:
            raise ValueError(
                _(
                    "max_new_tokens {max_new_tokens} must be less than max_length {max_length}, which counts the prompt too",
                    max_new_tokens=self.max_new_tokens,
                    max_length=self.max_length,
                )
            )
        if self.reward == "model" and self.method not in ("none", "grpo"):
            raise ValueError(
                _(
                    "reward model needs method grpo; for {method} the pairs themselves are the data. Write reward: rules, or"
                    " method: grpo",
                    method=self.method,
                )
            )
        if self.method == "kto" and self.micro_batch_size == 1:
            raise ValueError(
                _("method kto compares each prompt with the answer to another one; set micro_batch_size above 1")
            )
        return self
