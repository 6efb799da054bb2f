"""From the fields of OpenAI's routes to what the engine computes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from seodang.i18n import _
from seodang.inference.engine.contract import Guide, SamplingOptions
from seodang.service.http.api_error import reject_field
from seodang.service.routes.request_fields import SamplingRequest

_NO_TOKEN: Final = frozenset({-1})
_MIN_TOP_P: Final = 1e-6  # the most probable token alone


def build_sampling_options(
    request: SamplingRequest,
    *,
    max_new_tokens: int,
    top_logprobs: int | None,
    choice: int,
    vocabulary_size: int,
    frequency_penalty: float,
    guide: Guide | None = None,
) -> SamplingOptions:
    """Return the options of one answer.

    Args:
        request: The fields.
        max_new_tokens: Limit of this answer.
        top_logprobs: As in SamplingOptions.
        choice: Number of the answer among the `n` of its prompt; each one has a seed of its own.
        vocabulary_size: Number of token ids.
        frequency_penalty: Of the model, where the request has none and its answer no form.
        guide: Grammar of the answer; None: any text.

    Raises:
        ApiError: If logit_bias names an unknown token, or ignore_eos stands beside a form.
    """
    if request.ignore_eos and guide is not None:
        raise reject_field("ignore_eos", _("an answer of a given form ends where its form ends"))
    return SamplingOptions(
        max_new_tokens=max_new_tokens,
        temperature=request.temperature or 0.0,
        top_p=1.0 if request.top_p is None else max(request.top_p, _MIN_TOP_P),
        seed=None if request.seed is None else _wrap_seed(request.seed + choice),
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=select_frequency_penalty(request.frequency_penalty, frequency_penalty, guide),
        logit_bias=_read_logit_bias(request.logit_bias or {}, vocabulary_size),
        stop_ids=_NO_TOKEN if request.ignore_eos else frozenset(),
        guide=guide,
        top_logprobs=top_logprobs,
    )


def select_frequency_penalty(requested: float | None, packaged: float, guide: Guide | None) -> float:
    """Return the frequency penalty of an answer: a form has to repeat its punctuation, so it has none by default."""
    if requested is not None:
        return requested
    return packaged if guide is None else 0.0


def _wrap_seed(seed: int) -> int:
    """Return the seed in the range of 64 bits with a sign, which generators take."""
    return (seed + 2**63) % 2**64 - 2**63


def _read_logit_bias(biases: Mapping[str, float], vocabulary_size: int) -> dict[int, float]:
    for key in biases:
        if not re.fullmatch(r"[0-9]{1,9}", key, re.ASCII) or int(key) >= vocabulary_size:
            raise reject_field(
                "logit_bias", _("every key must be a token id from 0 to {last}", last=vocabulary_size - 1)
            )
    return {int(key): value for key, value in biases.items()}
