"""Log-likelihood of given answers. What all prompts of a call begin with is computed once."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

# Logits of one forward pass at the most: a vocabulary of 262,144 would else take gigabytes.
_LOGITS = 48_000_000


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and one answer to it, in token ids; neither is empty."""

    prompt: list[int]
    answer: list[int]


def common_prefix(questions: Sequence[Question]) -> int:
    """Return how many leading tokens all prompts share, at least one token of each left over."""
    longest = min(len(question.prompt) for question in questions) - 1
    first = questions[0].prompt
    for length in range(longest):
        if any(question.prompt[length] != first[length] for question in questions):
            return length
    return longest


@torch.inference_mode()
def log_likelihoods(model: PreTrainedModel, questions: Sequence[Question], batch_tokens: int) -> list[float]:
    """Return the sum of log p(answer token | prompt, answer so far) of each question, in nats.

    Args:
        batch_tokens: Padded tokens of one forward pass, the shared prefix not counted.
    """
    if not questions:
        return []
    shared = common_prefix(questions)
    cache = _prefix_cache(model, questions[0].prompt[:shared])
    result = [0.0] * len(questions)
    vocabulary = model.config.get_text_config().vocab_size
    for batch in _batches(questions, shared, batch_tokens, vocabulary):
        scores = _score(model, [questions[index] for index in batch], shared, cache)
        for index, score in zip(batch, scores, strict=True):
            result[index] = score
    return result


def _prefix_cache(model: PreTrainedModel, prefix: Sequence[int]) -> DynamicCache | None:
    if not prefix:
        return None
    ids = torch.tensor([prefix], device=model.device)
    cache: DynamicCache = model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values
    return cache


def _batches(questions: Sequence[Question], shared: int, batch_tokens: int, vocabulary: int) -> Iterator[list[int]]:
    """Yield indices, questions of like length together, so that little is padded."""

    def size(index: int) -> tuple[int, int]:
        question = questions[index]
        return (len(question.prompt) - shared + len(question.answer), len(question.answer))

    batch: list[int] = []
    for index in sorted(range(len(questions)), key=size):
        longest, answer = size(index)
        rows = len(batch) + 1
        if batch and (rows * longest > batch_tokens or rows * (answer + 2) * vocabulary > _LOGITS):
            yield batch
            batch = []
        batch.append(index)
    yield batch


def _score(model: PreTrainedModel, questions: Sequence[Question], shared: int, cache: DynamicCache | None) -> list[float]:
    """Return the scores of one batch, padded on the right: causal attention never looks there."""
    rows = [question.prompt[shared:] + question.answer for question in questions]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
    # The token at position p is predicted at p - 1; logits are asked for there and nowhere else.
    spans = [range(len(row) - len(question.answer) - 1, len(row) - 1) for row, question in zip(rows, questions, strict=True)]
    wanted = sorted({place for span in spans for place in span})
    logits = model(input_ids=ids, past_key_values=_repeated(cache, len(rows)), use_cache=cache is not None, logits_to_keep=torch.tensor(wanted, device=model.device)).logits
    column = {place: index for index, place in enumerate(wanted)}
    scores = []
    for row, (span, question) in enumerate(zip(spans, questions, strict=True)):
        picked: Tensor = logits[row, [column[place] for place in span]].float().log_softmax(dim=-1)
        scores.append(float(picked.gather(1, torch.tensor(question.answer, device=model.device)[:, None]).sum()))
    return scores


def _repeated(cache: DynamicCache | None, rows: int) -> DynamicCache | None:
    if cache is None:
        return None
    own = copy.deepcopy(cache)  # a forward pass appends to the cache that it is given
    own.batch_repeat_interleave(rows)
    return own
