"""Generate free answers to many prompts that share beginnings: what they share is read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel

from seodang.inference.generation import (
    Generation,
    build_config,
    decode_batch,
    iter_padded_batches,
    make_head_contiguous,
)
from seodang.inference.generation_batches import iter_decoding_batches
from seodang.inference.prompt_cache import read_prompts
from seodang.inference.tree_attention import can_continue_cache, get_max_tree_tokens


@torch.inference_mode()
def iter_generations(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    *,
    end_id: int,
    max_new_tokens: int,
    batch_tokens: int,
    frequency_penalty: float = 0.0,
) -> Iterator[list[tuple[int, Generation]]]:
    """Yield for each batch the indices of its prompts with the greedy answers.

    Args:
        model: Model in evaluation mode.
        prompts: Token ids of each prompt.
        end_id: End token of the prompt format; an answer also ends at the model's other end tokens.
        max_new_tokens: Maximum length of an answer.
        batch_tokens: Maximum number of tokens in a forward pass, without the shared prefix.
        frequency_penalty: Subtracted from the logit of a token as often as the answer has it; 0: off.

    Raises:
        EvaluationError: If a logit is NaN.
    """
    config = build_config(model, end_id, max_new_tokens)
    longest = max(map(len, prompts), default=0) + max_new_tokens
    is_cache_shared = can_continue_cache(model, longest)
    vocab_size = model.config.get_text_config().vocab_size
    tree_tokens = min(batch_tokens, get_max_tree_tokens(model))
    batches = (
        iter_decoding_batches(prompts, read_tokens=batch_tokens, new_tokens=max_new_tokens, vocab_size=vocab_size)
        if is_cache_shared
        else iter_padded_batches(prompts, max_new_tokens, batch_tokens)
    )
    with make_head_contiguous(model):
        for batch in batches:
            rows = [prompts[index] for index in batch]
            cache = (
                read_prompts(model, rows, new_tokens=max_new_tokens, tree_tokens=tree_tokens)
                if is_cache_shared
                else None
            )
            answers = decode_batch(model, rows, config, cache, frequency_penalty=frequency_penalty)
            yield list(zip(batch, answers, strict=True))
