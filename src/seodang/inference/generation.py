"""Generate free answers: greedy decoding in batches that are padded on the left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, GenerationConfig, PreTrainedModel

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
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    *,
    end_id: int,
    max_new_tokens: int,
    batch_tokens: int,
    frequency_penalty: float = 0.0,
) -> list[Generation]:
    """Return the greedy answer to each prompt, in order.

    Args:
        model: Model in evaluation mode.
        prompts: Token ids of each prompt.
        end_id: End token of the prompt format; an answer also ends at the model's other end tokens.
        max_new_tokens: Maximum length of an answer.
        batch_tokens: Maximum number of padded prompt and answer tokens in a batch.
        frequency_penalty: Subtracted from the logit of a token as often as the answer has it; 0: off.

    Raises:
        EvaluationError: If a logit is NaN.
    """
    config = build_config(model, end_id, max_new_tokens)
    result: dict[int, Generation] = {}
    with make_head_contiguous(model):
        for batch in iter_padded_batches(prompts, max_new_tokens, batch_tokens):
            rows = [prompts[index] for index in batch]
            answers = decode_batch(model, rows, config, frequency_penalty=frequency_penalty)
            result |= zip(batch, answers, strict=True)
    return [result[index] for index in range(len(prompts))]


def build_config(model: PreTrainedModel, end_id: int, max_new_tokens: int) -> GenerationConfig:
    """Return the settings of greedy decoding; see generate()."""
    return GenerationConfig(
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=get_stop_ids(model, end_id),
        pad_token_id=end_id,
        use_cache=True,
        disable_compile=True,  # on a GPU, a cache of fixed size would be compiled anew for each batch
    )


def _cut_answer(tokens: Sequence[int], stop_ids: Sequence[int]) -> Generation:
    length = next((position for position, token in enumerate(tokens) if token in stop_ids), None)
    return Generation(tokens=list(tokens[:length]), has_eos=length is not None)


def decode_batch(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    config: GenerationConfig,
    cache: Cache | None = None,
    *,
    frequency_penalty: float = 0.0,
) -> list[Generation]:
    """Return the answer to each prompt of a batch.

    Args:
        model: Model in evaluation mode.
        prompts: Token ids of each row.
        config: Of build_config().
        cache: Of all tokens of the prompts but the last, padded on the left; None to read the prompts here.
        frequency_penalty: See generate().
    """
    width = max(map(len, prompts))
    ids = [[config.pad_token_id] * (width - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    processors: list[Any] = [_refuse_nan]
    if frequency_penalty:
        processors.append(partial(_penalize_frequency, penalty=frequency_penalty, width=width))
    untyped_model: Any = model  # transformers types generate() for another class
    outputs = untyped_model.generate(
        input_ids=torch.tensor(ids, device=model.device),
        attention_mask=torch.tensor(mask, device=model.device),
        generation_config=config,
        logits_processor=processors,
        **({} if cache is None else {"past_key_values": cache}),
    )
    return [_cut_answer(tokens, config.eos_token_id) for tokens in outputs[:, width:].tolist()]


def _penalize_frequency(input_ids: Tensor, logits: Tensor, *, penalty: float, width: int) -> Tensor:
    """Return the logits of the next tokens by OpenAI's formula, as the engine; an answer begins at column `width`."""
    answers = input_ids[:, width:]
    return logits.scatter_add(1, answers, logits.new_full(answers.shape, -penalty))


def _refuse_nan(_input_ids: Tensor, logits: Tensor) -> Tensor:
    """Return the logits of the next tokens; NaN would choose an arbitrary token."""
    if bool(logits.max(dim=-1).values.isnan().any()):  # max returns NaN if a value is NaN
        raise make_nan_error()
    return logits


def make_nan_error() -> EvaluationError:
    """Return the error for logits that are NaN."""
    return EvaluationError(
        _(
            "the model answers with NaN; its weights are damaged, or its numbers overflow: use train.precision fp32,"
            " or train again with a lower train.learning_rate"
        )
    )


@contextmanager
def make_head_contiguous(model: PreTrainedModel) -> Iterator[None]:
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


def iter_padded_batches(prompts: Sequence[list[int]], max_new_tokens: int, batch_tokens: int) -> Iterator[list[int]]:
    """Yield the indices of batches whose prompts and answers have at most `batch_tokens` padded tokens."""
    batch: list[int] = []
    for index in sorted(range(len(prompts)), key=lambda index: len(prompts[index])):
        if batch and (len(batch) + 1) * (len(prompts[index]) + max_new_tokens) > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
