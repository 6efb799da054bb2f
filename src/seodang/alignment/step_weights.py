"""The loss of an optimizer step, whatever its micro-batches are.

TRL averages within a micro-batch, and the Trainer over the micro-batches of a step. Micro-batches of unequal pairs or
tokens then weigh a pair or a token by the size of its micro-batch. A term times its micro-batch's share of the step,
and times the number of micro-batches, is the mean over the whole step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Size:
    """Pairs of a micro-batch, and tokens that its likelihood term is averaged over."""

    pairs: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Weights:
    """Factors of the terms of a micro-batch's loss."""

    pairs: float = 1.0
    tokens: float = 1.0


class StepWeights:
    """The sizes of the micro-batches of an optimizer step."""

    def __init__(self, sizes: Sequence[Size]) -> None:
        self._count = len(sizes)
        self._pairs = sum(size.pairs for size in sizes)
        self._tokens = sum(size.tokens for size in sizes)

    def weigh(self, size: Size) -> Weights:
        """Return the factors of one of the micro-batches."""
        return Weights(self._count * size.pairs / self._pairs, self._count * size.tokens / max(self._tokens, 1))


def measure_dpo(inputs: Mapping[str, Any]) -> Size:
    """Return the size of a micro-batch of TRL's DPO; its likelihood term reads the preferred answers."""
    mask = inputs["completion_mask"][..., 1:]
    pairs = len(mask) // 2  # the preferred answers come first
    return Size(pairs, int(mask[:pairs].sum()))


def measure_orpo(inputs: Mapping[str, Any]) -> Size:
    """Return the size of a micro-batch of TRL's ORPO; its likelihood term reads prompts and preferred answers."""
    mask = inputs["chosen_attention_mask"][:, 1:]
    return Size(len(mask), int(mask.sum()))
