"""Checks after training: a run that changed nothing ends with an error instead of a useless adapter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from seodang.errors import TrainingError
from seodang.i18n import _, ngettext
from seodang.training.example_tokenizer import TokenizedExample
from seodang.training.micro_batch import MicroBatch
from seodang.training.packing import PackingConfig, build_micro_batch, plan_micro_batches

_SAMPLE_SIZE = 64  # validation answers; enough for the ratio of those that end, to a few hundredths


@dataclass(frozen=True, slots=True)
class NextTokens:
    """Predictions of a model after the validation answers, where the end token should follow."""

    tokens: Tensor  # (n,): the most likely next tokens
    logits: Tensor  # (n,): their logits, in fp32

    def compute_eos_ratio(self, eos_token_id: int) -> float:
        """Return the share of answers after which the end token is the most likely."""
        return float((self.tokens == eos_token_id).float().mean())


@dataclass(frozen=True, slots=True)
class Health:
    """Results of the checks after training."""

    max_logit_change: float  # largest change of a logit against the untrained model
    eos_ratio: float  # share of validation answers after which the tuned model predicts the end token
    eos_ratio_before: float


def build_eos_batches(
    examples: Sequence[TokenizedExample], packing: PackingConfig, eos_token_id: int
) -> list[MicroBatch]:
    """Return micro-batches of some examples in which the end tokens are the only labels."""
    micro_batches = [
        build_micro_batch(part, packing) for part in plan_micro_batches(list(examples[:_SAMPLE_SIZE]), packing)
    ]
    return [
        replace(
            part,
            label_positions=part.label_positions[part.targets == eos_token_id],
            targets=part.targets[part.targets == eos_token_id],
        )
        for part in micro_batches
    ]


@torch.no_grad()
def predict_next_tokens(model: Any, micro_batches: Sequence[MicroBatch], device: str, *, autocast: bool) -> NextTokens:
    """Return the predictions of the model at the label positions.

    Args:
        model: Before or after training.
        micro_batches: Of `build_eos_batches`.
        device: "cpu", "cuda" or "mps".
        autocast: Whether the run computes under autocast. Accelerate enables it only when training starts;
            without it here, rounding alone would look like a change of the weights.
    """
    training = model.training
    model.eval()
    with torch.autocast(device, torch.bfloat16, enabled=autocast):
        predictions = [
            model(**part.to(device).build_inputs(include_targets=False)).logits.float().max(dim=1)
            for part in micro_batches
            if len(part.targets)
        ]
    model.train(training)
    return NextTokens(
        tokens=torch.cat([best.indices for best in predictions]),
        logits=torch.cat([best.values for best in predictions]),
    )


def check_health(
    before: NextTokens,
    after: NextTokens,
    eos_token_id: int,
    *,
    train_loss: float,
    validation_loss: float,
    minimum_eos_ratio: float,
) -> Health:
    """Compare the predictions before and after training.

    Raises:
        TrainingError: If a loss is not finite, no logit changed, or too few answers end.
    """
    if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
        raise TrainingError(
            _(
                "the loss is not finite (train {train_loss}, validation {validation_loss}); lower train.learning_rate,"
                " or use train.precision fp32",
                train_loss=train_loss,
                validation_loss=validation_loss,
            )
        )
    change = float((after.logits - before.logits).abs().max())
    if change == 0.0:
        raise TrainingError(
            _(
                "the tuned model answers exactly as the base: training changed nothing; raise train.learning_rate or"
                " train.epochs, or choose other train.target_modules"
            )
        )
    health = Health(
        max_logit_change=round(change, 4),
        eos_ratio=round(after.compute_eos_ratio(eos_token_id), 4),
        eos_ratio_before=round(before.compute_eos_ratio(eos_token_id), 4),
    )
    if health.eos_ratio < minimum_eos_ratio:
        raise TrainingError(
            _(
                "the tuned model predicts the end token after {ratio:.0%} of {answers}, but"
                " train.minimum_eos_ratio is {minimum:.0%} (before training: {before:.0%}): when served, it would not"
                " stop. Train longer (train.epochs, train.learning_rate), or lower train.minimum_eos_ratio",
                ratio=health.eos_ratio,
                answers=ngettext("{count} validation answer", "{count} validation answers", len(after.tokens)),
                minimum=minimum_eos_ratio,
                before=health.eos_ratio_before,
            )
        )
    return health


def check_adapter(parameters: Iterable[tuple[str, Tensor]]) -> None:
    """Raise an error if the adapter is empty or not finite.

    Args:
        parameters: Name and weight; read one at a time, as each may be gathered from several devices.

    Raises:
        TrainingError: If all matrices that start at zero are still zero, or a weight is not finite.
    """
    is_nonzero = []  # for each matrix that starts at zero
    for name, weight in parameters:
        if not bool(torch.isfinite(weight).all()):
            raise TrainingError(
                _(
                    "{name} has values that are not finite; lower train.learning_rate, or use train.precision fp32",
                    name=name,
                )
            )
        if "lora_B" in name:
            is_nonzero.append(bool(weight.any()))
    if is_nonzero and not any(is_nonzero):
        raise TrainingError(_("the adapter is still empty after training; raise train.learning_rate or train.epochs"))
