"""Whether a run of training has taught anything: named errors instead of an adapter that does nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from seodang.errors import TrainingError
from seodang.training.dataset import Lesson
from seodang.training.packing import Layout, Pass, build_pass, pass_plan

_RECORDS = 64  # looked at; a share of them is told to within a few hundredths


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model would write after the validation answers, where the end token should stand."""

    tokens: Tensor  # (n,): the likeliest next tokens
    logits: Tensor  # (n,): their logits, in fp32

    def end_share(self, end: int) -> float:
        """Return the share of answers after which the end token is the likeliest."""
        return float((self.tokens == end).float().mean())


@dataclass(frozen=True, slots=True)
class Health:
    """What was checked after training."""

    largest_change: float  # of a logit, against the untrained model
    end_share: float  # of validation answers after which the trained model ends
    end_share_before: float


def end_places(lessons: Sequence[Lesson], layout: Layout, end: int) -> list[Pass]:
    """Return passes over some lessons whose only targets are end tokens."""
    passes = [build_pass(part, layout) for part in pass_plan(list(lessons[:_RECORDS]), layout)]
    return [
        replace(part, predictors=part.predictors[part.targets == end], targets=part.targets[part.targets == end])
        for part in passes
    ]


@torch.no_grad()
def answers_of(model: Any, passes: Sequence[Pass], device: str, *, autocast: bool) -> Answers:
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
        found = [
            model(**part.to(device).inputs(learn=False)).logits.float().max(dim=1)
            for part in passes
            if len(part.targets)
        ]
    model.train(training)
    return Answers(
        tokens=torch.cat([best.indices for best in found]), logits=torch.cat([best.values for best in found])
    )


def check_health(
    before: Answers, after: Answers, end: int, *, train_loss: float, validation_loss: float, minimum_end_share: float
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
            "the trained model answers exactly as before: nothing was learned; raise train.learning_rate or train.epochs, or name other train.targets"
        )
    health = Health(
        largest_change=round(change, 4),
        end_share=round(after.end_share(end), 4),
        end_share_before=round(before.end_share(end), 4),
    )
    if health.end_share < minimum_end_share:
        raise TrainingError(
            f"after {health.end_share:.0%} of {len(after.tokens)} validation answers the trained model would write the end token, {minimum_end_share:.0%} are asked "
            f"(before training: {health.end_share_before:.0%}): it would not stop when served. Train longer (train.epochs, train.learning_rate), or lower train.minimum_end_share"
        )
    return health


def check_adapter(parameters: Iterable[tuple[str, Tensor]]) -> None:
    """Refuse an adapter that adds nothing. One weight after the other is looked at, and let go: they may be gathered from several devices.

    Raises:
        TrainingError: If the matrices that begin at zero are still zero, or a weight is not finite.
    """
    second = []  # of each matrix that begins at zero, whether it is so no longer
    for name, weight in parameters:
        if not bool(torch.isfinite(weight).all()):
            raise TrainingError(
                f"{name} holds values that are not finite; lower train.learning_rate, or use train.precision fp32"
            )
        if "lora_B" in name:
            second.append(bool(weight.any()))
    if second and not any(second):
        raise TrainingError("the adapter is still empty after training; raise train.learning_rate or train.epochs")
