"""Whether a run of training has taught anything: named errors instead of an adapter that does nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from seodang.errors import TrainingError
from seodang.training.dataset import TokenizedExample
from seodang.training.packing import MicroBatch, PackingConfig, build_micro_batch, plan_micro_batches

_SAMPLE_SIZE = 64  # looked at; a share of them is told to within a few hundredths


@dataclass(frozen=True, slots=True)
class NextTokens:
    """What a model would write after the validation answers, where the end token should stand."""

    tokens: Tensor  # (n,): the likeliest next tokens
    logits: Tensor  # (n,): their logits, in fp32

    def compute_eos_ratio(self, eos_token_id: int) -> float:
        """Return the share of answers after which the end token is the likeliest."""
        return float((self.tokens == eos_token_id).float().mean())


@dataclass(frozen=True, slots=True)
class Health:
    """What was checked after training."""

    max_logit_change: float  # of a logit, against the untrained model
    eos_ratio: float  # of validation answers after which the trained model ends
    eos_ratio_before: float


def build_eos_batches(
    examples: Sequence[TokenizedExample], packing: PackingConfig, eos_token_id: int
) -> list[MicroBatch]:
    """Return passes over some lessons whose only targets are end tokens."""
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
    """Return what the model would write at the targets of the passes.

    Args:
        model: Before or after training.
        passes: Of `end_places`.
        device: "cpu", "cuda" or "mps".
        autocast: Whether the run computes under it. Accelerate sees to that only once training begins, and rounding alone would then pass for learning.
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
    """Return what changed.

    Raises:
        TrainingError: If a loss is not finite, the answers are what they were, or the end token was not learned.
    """
    if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
        raise TrainingError(
            f"the loss is not finite (train {train_loss}, validation {validation_loss}); lower train.learning_rate, or use train.precision fp32"
        )
    change = float((after.logits - before.logits).abs().max())
    if change == 0.0:
        raise TrainingError(
            "the trained model answers exactly as before: nothing was learned; raise train.learning_rate or train.epochs, or name other train.target_modules"
        )
    health = Health(
        max_logit_change=round(change, 4),
        eos_ratio=round(after.compute_eos_ratio(eos_token_id), 4),
        eos_ratio_before=round(before.compute_eos_ratio(eos_token_id), 4),
    )
    if health.eos_ratio < minimum_eos_ratio:
        raise TrainingError(
            f"after {health.eos_ratio:.0%} of {len(after.tokens)} validation answers the trained model would write the end token, {minimum_eos_ratio:.0%} are asked "
            f"(before training: {health.eos_ratio_before:.0%}): it would not stop when served. Train longer (train.epochs, train.learning_rate), or lower train.minimum_eos_ratio"
        )
    return health


def check_adapter(parameters: Iterable[tuple[str, Tensor]]) -> None:
    """Refuse an adapter that adds nothing. One weight after the other is looked at, and let go: they may be gathered from several devices.

    Raises:
        TrainingError: If the matrices that begin at zero are still zero, or a weight is not finite.
    """
    is_nonzero = []  # of each matrix that begins at zero, whether it is so no longer
    for name, weight in parameters:
        if not bool(torch.isfinite(weight).all()):
            raise TrainingError(
                f"{name} holds values that are not finite; lower train.learning_rate, or use train.precision fp32"
            )
        if "lora_B" in name:
            is_nonzero.append(bool(weight.any()))
    if is_nonzero and not any(is_nonzero):
        raise TrainingError("the adapter is still empty after training; raise train.learning_rate or train.epochs")
