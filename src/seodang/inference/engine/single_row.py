"""Answer one request alone, with transformers' own loop: for models and lengths that batches do not support."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from seodang.inference.engine.running_request import RunningRequest
from seodang.inference.engine.sampling import is_plain_greedy
from seodang.inference.generation import make_nan_error


class _Ended(Exception):
    """Leaves the loop of transformers."""


def answer_alone(model: PreTrainedModel, row: RunningRequest, after_step: Callable[[], None]) -> None:
    """Answer a request.

    Args:
        model: In evaluation mode, with the adapter of the request.
        row: The request.
        after_step: Is called after each token; there the engine computes the other requests.
    """
    ids = torch.tensor([row.prompt], device=model.device)
    if row.needs_prompt_logits:
        row.describe_prompt(model(input_ids=ids, use_cache=False).logits[0], 0)

    def choose(_input_ids: Tensor, logits: Tensor) -> Tensor:
        token = _take_step(row, logits[0].float())
        after_step()
        if row.is_finished or row.channel.is_closed:
            raise _Ended
        return torch.full_like(logits, float("-inf")).index_fill_(1, torch.tensor([token], device=logits.device), 0.0)

    config = GenerationConfig(
        do_sample=False,
        max_new_tokens=max(row.limit, 1),
        eos_token_id=model.config.get_text_config().vocab_size,  # no token: the request knows where it ends
        pad_token_id=0,
        use_cache=True,
        disable_compile=True,
    )
    untyped_model: Any = model  # transformers types generate() for another class
    with suppress(_Ended):
        untyped_model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config, logits_processor=[choose]
        )


def _take_step(row: RunningRequest, logits: Tensor) -> int:
    best, token = logits.max(dim=-1)
    if bool(best.isnan()):
        raise make_nan_error()
    row.take_step(logits, int(token) if is_plain_greedy(row.request.options) else None)
    return row.last_token or 0
