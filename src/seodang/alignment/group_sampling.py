"""Sample a group of answers to each prompt: a prompt is read once, and an answer that ended is computed no further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache


@dataclass(slots=True)
class _Unfinished:
    """The answers that have not ended; each field has one row for each."""

    rows: list[int]
    """Indices of the answers."""
    logits: Tensor
    """Of the next token."""
    cache: DynamicCache
    mask: Tensor
    """1 for each token in the cache, 0 for padding."""

    def select(self, kept: Sequence[int]) -> None:
        """Keep some of the answers."""
        indices = torch.tensor(kept, device=self.mask.device)
        self.rows = [self.rows[index] for index in kept]
        self.logits, self.mask = self.logits[indices], self.mask[indices]
        self.cache.batch_select_indices(indices)


@torch.no_grad()
def sample_answers(
    model: Any, prompts: Sequence[list[int]], *, stop_ids: Sequence[int], max_new_tokens: int, temperature: float
) -> list[list[int]]:
    """Return an answer to each prompt, with the token that ended it.

    Args:
        model: In evaluation mode; its cache holds keys and values only.
        prompts: Token ids; equal ones are read once.
        stop_ids: Tokens that end an answer.
        max_new_tokens: Of an answer.
        temperature: Divides the logits.
    """
    answers: list[list[int]] = [[] for _ in prompts]
    state = _read_prompts(model, prompts)
    for number in range(max_new_tokens):
        tokens = _sample(state.logits, temperature)
        for row, token in zip(state.rows, tokens, strict=True):
            answers[row].append(token)
        kept = [index for index, token in enumerate(tokens) if token not in stop_ids]
        if not kept or number + 1 == max_new_tokens:
            break
        if len(kept) < len(tokens):
            state.select(kept)
        _read_tokens(model, state, [tokens[index] for index in kept])
    return answers


def _sample(logits: Tensor, temperature: float) -> list[int]:
    probabilities = (logits.float() / temperature).softmax(-1)
    tokens: list[int] = torch.multinomial(probabilities, 1)[:, 0].tolist()
    return tokens


def _read_prompts(model: Any, prompts: Sequence[list[int]]) -> _Unfinished:
    """Read each distinct prompt, padded on the left, and copy its states for each of its answers."""
    distinct = {prompt: number for number, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
    width = max(map(len, distinct))
    padding = [width - len(prompt) for prompt in distinct]
    ids = [[0] * blank + [*prompt] for blank, prompt in zip(padding, distinct, strict=True)]
    mask = torch.tensor([[0] * blank + [1] * (width - blank) for blank in padding], device=model.device)
    cache = DynamicCache(config=model.config)
    outputs = model(
        input_ids=torch.tensor(ids, device=model.device),
        attention_mask=mask,
        position_ids=_count_positions(mask),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    state = _Unfinished(list(range(len(distinct))), outputs.logits[:, -1], cache, mask)
    state.select([distinct[tuple(prompt)] for prompt in prompts])
    state.rows = list(range(len(prompts)))
    return state


def _read_tokens(model: Any, state: _Unfinished, tokens: Sequence[int]) -> None:
    """Read the next token of each unfinished answer."""
    state.mask = torch.cat([state.mask, state.mask.new_ones(len(tokens), 1)], dim=1)
    outputs = model(
        input_ids=torch.tensor(tokens, device=state.mask.device)[:, None],
        attention_mask=state.mask,
        position_ids=_count_positions(state.mask)[:, -1:],
        past_key_values=state.cache,
        use_cache=True,
        logits_to_keep=1,
    )
    state.logits = outputs.logits[:, -1]


def _count_positions(mask: Tensor) -> Tensor:
    """Return the position of each token in its row; padding has position 0."""
    return (mask.cumsum(-1) - 1).clamp(min=0)
