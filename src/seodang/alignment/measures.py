"""What preference tuning changed: the tuned and the aligned model on the same held-out pairs and prompts.

Both are adapters of one base: no second model is in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from seodang.alignment.preferences import PreferencePair
from seodang.inference.choice_requests import ChoiceRequest
from seodang.inference.generation import Generation, generate
from seodang.inference.logits import compute_logits
from seodang.inference.loglikelihood import score_choices
from seodang.models.adapters import load_adapter

TUNED: Final = "default"  # peft's name of the first adapter
ALIGNED: Final = "aligned"


@dataclass(frozen=True, slots=True)
class PairScore:
    """Log-probabilities of the answers of a pair in nats, by the tuned and by the aligned model."""

    id: str
    group: str
    language: str
    tuned_chosen: float
    tuned_rejected: float
    aligned_chosen: float
    aligned_rejected: float


@dataclass(frozen=True, slots=True)
class AnswerScore:
    """The answers to a held-out prompt, and the divergence of the aligned model on its own answer."""

    id: str
    group: str
    tuned_tokens: list[int]
    aligned_tokens: list[int]
    divergences: list[float]
    """KL(aligned || tuned) in nats, at each token of the aligned model's answer."""


class ModelPair:
    """A base with both adapters; one is active at a time."""

    def __init__(self, base: PreTrainedModel, tuned: Path, aligned: Path) -> None:
        """Load the adapters; `base` becomes part of the model."""
        self._model: Any = load_adapter(base, tuned)
        self._model.load_adapter(str(aligned), ALIGNED)
        self._model.eval()

    def select(self, adapter: str) -> PeftModel:
        """Return the model with one of the adapters."""
        self._model.set_adapter(adapter, inference_mode=True)
        model: PeftModel = self._model
        return model


def score_pairs(models: ModelPair, pairs: Sequence[PreferencePair], batch_tokens: int) -> list[PairScore]:
    """Return the log-probabilities of both answers of each pair, by both models."""
    tuned, aligned = (_score(models.select(name), pairs, batch_tokens) for name in (TUNED, ALIGNED))
    return [
        PairScore(pair.id, pair.group, pair.language, *before, *after)
        for pair, before, after in zip(pairs, tuned, aligned, strict=True)
    ]


def _score(model: Any, pairs: Sequence[PreferencePair], batch_tokens: int) -> list[tuple[float, float]]:
    requests = [
        ChoiceRequest(pair.id, pair.prompt, (("chosen", pair.chosen), ("rejected", pair.rejected))) for pair in pairs
    ]
    scores: dict[int, tuple[float, float]] = {}
    for batch in score_choices(model, requests, batch_tokens):
        scores |= {index: (chosen.nats, rejected.nats) for index, (chosen, rejected) in batch}
    return [scores[index] for index in range(len(pairs))]


def answer_prompts(
    models: ModelPair, pairs: Sequence[PreferencePair], *, end_id: int, max_new_tokens: int, batch_tokens: int
) -> list[AnswerScore]:
    """Return the greedy answers of both models to the prompts of pairs, with the divergence of the aligned one."""
    prompts = [pair.prompt for pair in pairs]
    settings = {"end_id": end_id, "max_new_tokens": max_new_tokens, "batch_tokens": batch_tokens}
    tuned, aligned = (generate(models.select(name), prompts, **settings) for name in (TUNED, ALIGNED))
    answers = [[*each.tokens, end_id] if each.has_eos else each.tokens for each in aligned]
    return [
        AnswerScore(
            pair.id,
            pair.group,
            _list_tokens(before),
            _list_tokens(after),
            _measure_divergence(models, pair.prompt, ids),
        )
        for pair, before, after, ids in zip(pairs, tuned, aligned, answers, strict=True)
    ]


def _list_tokens(generation: Generation) -> list[int]:
    return list(generation.tokens)


@torch.inference_mode()
def _measure_divergence(models: ModelPair, prompt: Sequence[int], answer: Sequence[int]) -> list[float]:
    if not answer:
        return []
    positions = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
    aligned, tuned = (
        _compute_log_probs(models.select(name), [*prompt, *answer], positions) for name in (ALIGNED, TUNED)
    )
    divergences: list[float] = (aligned.exp() * (aligned - tuned)).sum(-1).clamp(min=0).tolist()
    return divergences


def _compute_log_probs(model: Any, ids: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
    rows = torch.tensor([list(ids)], device=model.device)
    return compute_logits(model, positions, input_ids=rows)[0].float().log_softmax(-1)
