"""What preference tuning changed: the tuned and the aligned model on the same held-out pairs and prompts.

Both are adapters of one base: no second model is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from seodang.alignment.preferences import PreferencePair, RatedAnswer
from seodang.alignment.thumbs import ThumbScore
from seodang.inference.choice_requests import ChoiceRequest
from seodang.inference.generation import Generation, generate
from seodang.inference.logits import compute_logits
from seodang.inference.loglikelihood import score_choices
from seodang.models.adapters import load_adapter

TUNED: Final = "default"  # peft's name of the first adapter
ALIGNED: Final = "aligned"
_KEPT_LOGITS: Final = 2**26  # of a model, in memory at a time: 256 MB
_Pair: TypeAlias = tuple[Sequence[int], Sequence[int]]  # token ids of a prompt and its answer


@dataclass(frozen=True, slots=True)
class PairScore:
    """Log-probabilities of the answers of a pair in nats, by the tuned and by the aligned model."""

    id: str
    group: str
    language: str
    task: str
    tuned_chosen: float
    tuned_rejected: float
    aligned_chosen: float
    aligned_rejected: float


@dataclass(frozen=True, slots=True)
class AnswerScore:
    """The answers to a held-out prompt, and the divergence of the aligned model on its own answer."""

    id: str
    group: str
    tuned: Generation
    aligned: Generation
    divergences: list[float]
    """KL(aligned || tuned) in nats, at each token of the aligned model's answer."""


class Question(Protocol):
    """What is asked of both models: a preference pair, or a prompt with a reward."""

    @property
    def id(self) -> str:
        """Of the record."""

    @property
    def group(self) -> str:
        """Equal for questions that are not independent of each other."""

    @property
    def prompt(self) -> list[int]:
        """Token ids."""


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
    requests = [
        ChoiceRequest(pair.id, pair.prompt, (("chosen", pair.chosen), ("rejected", pair.rejected))) for pair in pairs
    ]
    tuned, aligned = (score_requests(models.select(name), requests, batch_tokens) for name in (TUNED, ALIGNED))
    return [
        PairScore(pair.id, pair.group, pair.language, pair.task, *before, *after)
        for pair, before, after in zip(pairs, tuned, aligned, strict=True)
    ]


def score_thumbs(models: ModelPair, answers: Sequence[RatedAnswer], batch_tokens: int) -> list[ThumbScore]:
    """Return the log-probability of each answer with a thumb, by both models."""
    requests = [ChoiceRequest(each.id, each.prompt, (("answer", each.answer),)) for each in answers]
    tuned, aligned = (score_requests(models.select(name), requests, batch_tokens) for name in (TUNED, ALIGNED))
    return [
        ThumbScore(answer.group, answer.is_desirable, *before, *after)
        for answer, before, after in zip(answers, tuned, aligned, strict=True)
    ]


def score_requests(model: Any, requests: Sequence[ChoiceRequest], batch_tokens: int) -> list[tuple[float, ...]]:
    """Return the log-probabilities of the options of each request in nats, with the active adapter."""
    scores: dict[int, tuple[float, ...]] = {}
    for batch in score_choices(model, requests, batch_tokens):
        scores |= {index: tuple(option.nats for option in options) for index, options in batch}
    return [scores[index] for index in range(len(requests))]


def answer_prompts(
    models: ModelPair, questions: Sequence[Question], *, end_id: int, max_new_tokens: int, batch_tokens: int
) -> list[AnswerScore]:
    """Return the greedy answers of both models to prompts, with the divergence of the aligned one."""
    prompts = [question.prompt for question in questions]
    settings = {"end_id": end_id, "max_new_tokens": max_new_tokens, "batch_tokens": batch_tokens}
    tuned, aligned = (generate(models.select(name), prompts, **settings) for name in (TUNED, ALIGNED))
    answers = [[*each.tokens, end_id] if each.has_eos else each.tokens for each in aligned]
    divergences = _measure_divergences(models, prompts, answers)
    return [
        AnswerScore(question.id, question.group, before, after, divergence)
        for question, before, after, divergence in zip(questions, tuned, aligned, divergences, strict=True)
    ]


@torch.inference_mode()
def _measure_divergences(
    models: ModelPair, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> list[list[float]]:
    """Return KL(aligned || tuned) at each token of the answers; some at a time, because it takes time to switch."""
    divergences: list[list[float]] = []
    pairs = list(zip(prompts, answers, strict=True))
    vocabulary = models.select(ALIGNED).config.get_text_config().vocab_size
    for chunk in _split_by_tokens(pairs, limit=_KEPT_LOGITS // vocabulary):
        aligned, tuned = (_compute_log_probs(models.select(name), chunk) for name in (ALIGNED, TUNED))
        divergences += [
            (ours.exp() * (ours - theirs)).sum(-1).clamp(min=0).tolist()
            for ours, theirs in zip(aligned, tuned, strict=True)
        ]
    return divergences


def _split_by_tokens(pairs: Sequence[_Pair], limit: int) -> Iterator[list[_Pair]]:
    """Yield consecutive pairs of prompt and answer whose answers have at most `limit` tokens, or one pair."""
    chunk: list[_Pair] = []
    tokens = 0
    for pair in pairs:
        if chunk and tokens + len(pair[1]) > limit:
            yield chunk
            chunk, tokens = [], 0
        chunk.append(pair)
        tokens += len(pair[1])
    if chunk:
        yield chunk


def _compute_log_probs(model: Any, pairs: Sequence[_Pair]) -> list[torch.Tensor]:
    """Return the log-probabilities of the vocabulary at the tokens of each answer, (tokens, vocabulary)."""
    log_probs = []
    for prompt, answer in pairs:
        if not answer:
            log_probs.append(torch.zeros(0, 1))
            continue
        rows = torch.tensor([[*prompt, *answer]], device=model.device)
        positions = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
        log_probs.append(compute_logits(model, positions, input_ids=rows)[0].float().log_softmax(-1))
    return log_probs
