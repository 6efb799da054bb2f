"""Choose the next token of one request, and compute log-probabilities."""

from __future__ import annotations

from collections import Counter
from typing import Final

import torch
from torch import Tensor
from transformers import PreTrainedModel

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.inference.engine.contract import SamplingOptions, TokenLogprob
from seodang.inference.logits import compute_logits

_MIN_TEMPERATURE: Final = 1e-4  # below it the logits overflow; the best token has all the probability anyway
_CHUNK: Final = 256  # positions whose log-probabilities are computed at once; a vocabulary may have 262,144 entries


class TokenSelector:
    """Chooses tokens by the options of one request; equal seeds give equal tokens."""

    def __init__(self, options: SamplingOptions, device: torch.device) -> None:
        self._options = options
        self._counts: Counter[int] = Counter()
        self._generator = torch.Generator(device)
        if options.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(options.seed)

    def select(self, logits: Tensor) -> tuple[int, TokenLogprob | None]:
        """Return the next token, and its log-probability if the request asks for it.

        Args:
            logits: (vocabulary).

        Raises:
            ModelError: If a logit is NaN.
        """
        logits = logits.float()
        if torch.isnan(logits).any():
            raise ModelError(_("the model's logits are not numbers; its weights are damaged, or its numbers overflow"))
        token = self._choose(self._adjust(logits))
        self._counts[token] += 1
        if self._options.top_logprobs is None:
            return token, None
        return token, build_logprob(logits.log_softmax(-1), token, self._options.top_logprobs)

    def _adjust(self, logits: Tensor) -> Tensor:
        """Return the logits with penalties, by OpenAI's formula, and biases."""
        options = self._options
        if not (options.presence_penalty or options.frequency_penalty or options.logit_bias):
            return logits
        logits = logits.clone()
        if options.presence_penalty or options.frequency_penalty:
            for token, count in self._counts.items():
                logits[token] -= count * options.frequency_penalty + options.presence_penalty
        for token, bias in options.logit_bias.items():
            logits[token] += bias
        return logits

    def _choose(self, logits: Tensor) -> int:
        options = self._options
        if options.temperature < _MIN_TEMPERATURE:
            return int(logits.argmax())
        probabilities = (logits / options.temperature).softmax(-1)
        if options.top_p < 1:
            ordered, tokens = probabilities.sort(descending=True, stable=True)
            ordered[ordered.cumsum(-1) - ordered >= options.top_p] = 0
            return int(tokens[torch.multinomial(ordered, 1, generator=self._generator)])
        return int(torch.multinomial(probabilities, 1, generator=self._generator))


def build_logprob(logprobs: Tensor, token: int, count: int) -> TokenLogprob:
    """Return the log-probability of a token and of the `count` most likely ones."""
    values, tokens = logprobs.topk(min(count, len(logprobs)))
    return TokenLogprob(float(logprobs[token]), tuple(zip(tokens.tolist(), values.tolist(), strict=True)))


def compute_prompt_logprobs(model: PreTrainedModel, ids: Tensor, count: int) -> tuple[TokenLogprob | None, ...]:
    """Return the log-probabilities of a prompt's tokens; the first one has none.

    Args:
        model: Model in evaluation mode.
        ids: (1, tokens).
        count: Number of alternatives of each token.
    """
    length = ids.shape[1]
    if length == 1:
        return (None,)
    logits = compute_logits(model, range(length - 1), input_ids=ids, use_cache=False)[0]
    tokens = ids[0, 1:].tolist()
    results: list[TokenLogprob | None] = [None]
    for start in range(0, length - 1, _CHUNK):
        rows = logits[start : start + _CHUNK].float().log_softmax(-1)
        results += [build_logprob(row, token, count) for row, token in zip(rows, tokens[start:], strict=False)]
    return tuple(results)
