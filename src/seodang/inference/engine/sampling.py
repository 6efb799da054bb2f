"""Choose the next token of one request, and describe it by log-probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seodang.inference.engine.contract import SamplingOptions, TokenLogprob

# Of a token that cannot occur, as OpenAI writes it; minus infinity is no JSON.
MIN_LOGPROB = -9999.0


def is_plain_greedy(options: SamplingOptions) -> bool:
    """Return whether the next token is the most likely one of the model."""
    return options.temperature == 0 and options.guide is None and not _has_adjustments(options)


def find_best_tokens(logits: Tensor) -> list[int]:
    """Return the most likely token of each row, (rows, vocabulary); of equal ones, the first."""
    # On a CPU, NumPy takes a tenth of torch's time.
    best: Any = logits.numpy().argmax(axis=-1) if logits.device.type == "cpu" else logits.argmax(dim=-1)
    return list(best.tolist())


def choose_token(
    logits: Tensor,
    options: SamplingOptions,
    counts: Mapping[int, int],
    generator: torch.Generator | None,
    allowed: NDArray[np.bool_] | None = None,
) -> int:
    """Return the next token.

    Args:
        logits: Of the next token, (vocabulary), in fp32.
        options: Of the request.
        counts: How often each token occurs in the answer so far.
        generator: Of the request, on the CPU; None for greedy decoding.
        allowed: For each token, whether it can be chosen; None: all can be.
    """
    if _has_adjustments(options):
        logits = _adjust(logits, options, counts)
    if allowed is not None:
        logits = _forbid(logits, allowed)
    if options.temperature == 0 or generator is None:
        return int(logits.argmax())
    weights = ((logits.double() - logits.max().double()) / options.temperature).exp()
    return _draw(weights / weights.sum(), options.top_p, generator)


def compute_logprob(logits: Tensor, token: int, alternatives: int) -> TokenLogprob:
    """Return the log-probability of a token, and of the most likely ones.

    Args:
        logits: Of the position, (vocabulary), in fp32.
        token: The token at the position.
        alternatives: Number of most likely tokens.
    """
    logprobs = torch.log_softmax(logits, dim=-1).clamp_min(MIN_LOGPROB)
    best = torch.topk(logprobs, min(alternatives, len(logprobs)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return TokenLogprob(logprob=float(logprobs[token]), alternatives=tuple(pairs))


def _has_adjustments(options: SamplingOptions) -> bool:
    return bool(options.presence_penalty or options.frequency_penalty or options.logit_bias)


def _adjust(logits: Tensor, options: SamplingOptions, counts: Mapping[int, int]) -> Tensor:
    changes = dict(options.logit_bias)
    for token, count in counts.items():
        penalty = count * options.frequency_penalty + options.presence_penalty
        changes[token] = changes.get(token, 0.0) - penalty
    if not changes:
        return logits
    tokens = torch.tensor(list(changes), device=logits.device)
    return logits.index_add(0, tokens, torch.tensor(list(changes.values()), device=logits.device, dtype=logits.dtype))


def _forbid(logits: Tensor, allowed: NDArray[np.bool_]) -> Tensor:
    """Return the logits with minus infinity for what is not allowed; a model may have more logits than tokens."""
    forbidden = ~torch.from_numpy(allowed[: len(logits)])
    if len(forbidden) < len(logits):
        forbidden = torch.nn.functional.pad(forbidden, (0, len(logits) - len(forbidden)), value=True)
    return logits.masked_fill(forbidden.to(logits.device), float("-inf"))


def _draw(probabilities: Tensor, top_p: float, generator: torch.Generator) -> int:
    """Return a token by the inverse of the distribution function: one random number, whatever the vocabulary."""
    order = None
    if top_p < 1:
        probabilities, order = probabilities.sort(descending=True, stable=True)
    cumulative = probabilities.cumsum(0)
    if top_p < 1:
        # The smallest set whose probability reaches top_p; never empty.
        kept = int((cumulative - probabilities < top_p).sum())
        cumulative = cumulative[: max(kept, 1)]
    point = torch.rand(1, generator=generator, dtype=torch.float64).to(cumulative.device) * cumulative[-1]
    index = min(int(torch.searchsorted(cumulative, point, right=True)), len(cumulative) - 1)
    return index if order is None else int(order[index])
