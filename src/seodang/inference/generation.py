"""Generate free answers: greedy decoding in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from seodang.errors import EvaluationError
from seodang.i18n import _
from seodang.models.stop_tokens import get_stop_ids


@dataclass(frozen=True, slots=True)
class Generation:
    """One free answer."""

    tokens: list[int]
    """Token ids before the token that ends the answer."""
    has_eos: bool
    """Whether the model ended the answer before the limit."""


@torch.inference_mode()
def generate(
    model: PreTrainedModel, prompts: Sequence[list[int]], *, end_id: int, max_new_tokens: int, batch_tokens: int
) -> list[Generation]:
    """Return the greedy answer to each prompt, in order.

    Args:
        model: Model in evaluation mode.
        prompts: Token ids of each prompt.
        end_id: End token of the prompt format; an answer also ends at the model's other end tokens.
        max_new_tokens: Maximum length of an answer.
        batch_tokens: Maximum number of padded prompt and answer tokens in a batch.

    Raises:
        EvaluationError: If a logit is NaN.
    """
    with _make_head_contiguous(model):
        return _generate_batches(model, prompts, end_id, max_new_tokens, batch_tokens)


def _generate_batches(
    model: PreTrainedModel, prompts: Sequence[list[int]], end_id: int, max_new_tokens: int, batch_tokens: int
) -> list[Generation]:
    stop_ids = get_stop_ids(model, end_id)
    config = GenerationConfig(
        do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=stop_ids, pad_token_id=end_id, use_cache=True
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
        outputs = model_.generate(
            input_ids=ids, attention_mask=mask, generation_config=config, logits_processor=[_refuse_nan]
        )[:, width:].tolist()
        for index, tokens in zip(batch, outputs, strict=True):
            length = next((position for position, token in enumerate(tokens) if token in stop_ids), None)
            result[index] = Generation(tokens=tokens[:length], has_eos=length is not None)
    return [answer for answer in result if answer is not None]


def _refuse_nan(_input_ids: Tensor, logits: Tensor) -> Tensor:
    """Return the logits of the next tokens; NaN would choose an arbitrary token."""
    if bool(logits.max(dim=-1).values.isnan().any()):  # max returns NaN if a value is NaN
        raise EvaluationError(
            _(
                "the model answers with NaN; its weights are damaged, or its numbers overflow: use train.precision fp32,"
                " or train again with a lower train.learning_rate"
            )
        )
    return logits


@contextmanager
def _make_head_contiguous(model: PreTrainedModel) -> Iterator[None]:
    """Make the input of the output layer contiguous.

    The model passes it a slice of its hidden states. If the weight is frozen, as below an adapter, torch multiplies
    a slice row by row and copies the weight for each row. That is 4 GB a token for a vocabulary of 262,144 and
    12 rows (should_fold in ATen's LinearAlgebra.cpp).
    """
    head = model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _module, inputs: tuple(tensor.contiguous() for tensor in inputs))
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
