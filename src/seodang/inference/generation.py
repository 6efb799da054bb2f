"""Free answers: batched greedy generation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel


@dataclass(frozen=True, slots=True)
class Generation:
    """One free answer."""

    tokens: list[int]  # without the end token
    has_eos: bool  # it ended by itself before the limit


@torch.inference_mode()
def generate(
    model: PreTrainedModel, prompts: Sequence[list[int]], *, end_id: int, max_new_tokens: int, batch_tokens: int
) -> list[Generation]:
    """Return the greedy answer to each prompt, in order.

    Args:
        end: Id of the token that ends an answer.
        batch_tokens: Padded tokens of prompts and answers in one batch.
    """
    with _make_head_contiguous(model):
        return _generate_batches(model, prompts, end_id, max_new_tokens, batch_tokens)


def _generate_batches(
    model: PreTrainedModel, prompts: Sequence[list[int]], end_id: int, max_new_tokens: int, batch_tokens: int
) -> list[Generation]:
    config = GenerationConfig(
        do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=end_id, pad_token_id=end_id, use_cache=True
    )
    result: list[Generation | None] = [None] * len(prompts)
    for batch in _iter_batches(prompts, max_new_tokens, batch_tokens):
        width = max(len(prompts[index]) for index in batch)
        ids = torch.tensor(
            [[end_id] * (width - len(prompts[index])) + prompts[index] for index in batch], device=model.device
        )
        mask = torch.tensor(
            [[0] * (width - len(prompts[index])) + [1] * len(prompts[index]) for index in batch], device=model.device
        )
        model_: Any = model
        outputs = model_.generate(input_ids=ids, attention_mask=mask, generation_config=config)[:, width:].tolist()
        for index, tokens in zip(batch, outputs, strict=True):
            has_eos = end_id in tokens
            result[index] = Generation(tokens=tokens[: tokens.index(end_id)] if has_eos else tokens, has_eos=has_eos)
    return [answer for answer in result if answer is not None]


@contextmanager
def _make_head_contiguous(model: PreTrainedModel) -> Iterator[None]:
    """Give the output layer its rows one behind the other.

    The model hands it a slice of its states. With a frozen weight, as below an adapter, torch multiplies a slice row by row, and copies
    the weight for each: with 262,144 entries and 12 rows 4 GB a token (should_fold in ATen's LinearAlgebra.cpp).
    """
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _, inputs: tuple(part.contiguous() for part in inputs))
    try:
        yield
    finally:
        hook.remove()


def _iter_batches(prompts: Sequence[list[int]], max_new_tokens: int, batch_tokens: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in sorted(range(len(prompts)), key=lambda index: len(prompts[index])):
        if batch and (len(batch) + 1) * (len(prompts[index]) + max_new_tokens) > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
