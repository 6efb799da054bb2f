"""Translate requests into vLLM's parameters, and its outputs into steps. vLLM itself is not imported here.

Read against vLLM 0.33.0 and run with 0.32.0 (its build for CPUs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.inference.engine.contract import FinishReason, GuideFailed, TokenLogprob, TokenRequest, TokenStep
from seodang.inference.engine.sampling import MIN_LOGPROB

_FINISH_REASONS: Final[Mapping[str, FinishReason]] = {"stop": "stop", "length": "length", "abort": "cancelled"}


class Logprob(Protocol):
    """vllm.logprobs.Logprob."""

    logprob: float
    rank: int | None
    """Place among all tokens, from 1."""


class CompletionOutput(Protocol):
    """vllm.outputs.CompletionOutput, with the tokens since the output before it."""

    token_ids: Sequence[int]
    logprobs: Sequence[Mapping[int, Logprob]] | None
    finish_reason: str | None


class RequestOutput(Protocol):
    """vllm.outputs.RequestOutput."""

    outputs: Sequence[CompletionOutput]
    prompt_logprobs: Sequence[Mapping[int, Logprob] | None] | None
    num_cached_tokens: int | None


def build_sampling_arguments(request: TokenRequest, stop_ids: frozenset[int], limit: int) -> dict[str, Any]:
    """Return the arguments of vllm.SamplingParams; structured_outputs are the arguments of StructuredOutputsParams.

    The end tokens are ours alone: vLLM would add those of the checkpoint.

    Args:
        request: The request.
        stop_ids: End tokens of the model.
        limit: Maximum number of new tokens; vLLM needs at least one, and the caller drops it.

    Raises:
        GuideFailed: If an answer with a grammar has log-probabilities, which vLLM computes among the allowed tokens
            only, or other end tokens, which its grammars do not know.
    """
    options = request.options
    if options.guide is not None:
        _check_guided(request)
    return {
        "max_tokens": max(limit, 1),
        "temperature": options.temperature,
        "top_p": options.top_p if options.temperature else 1.0,
        "seed": options.seed,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
        "logit_bias": dict(options.logit_bias) or None,
        "ignore_eos": True,
        "stop_token_ids": sorted(options.stop_ids or stop_ids),
        "logprobs": options.top_logprobs,
        "prompt_logprobs": request.prompt_logprobs,
        "detokenize": False,
        "structured_outputs": None if options.guide is None else {"grammar": options.guide.grammar},
    }


def _check_guided(request: TokenRequest) -> None:
    if request.options.top_logprobs is not None:
        raise GuideFailed(_("the engine vllm has no log-probabilities of an answer in a given form"))
    if request.options.stop_ids:
        raise GuideFailed(_("the engine vllm ends an answer in a given form with the model's end token only"))


def read_steps(
    output: RequestOutput, request: TokenRequest, limit: int, prompt: tuple[TokenLogprob | None, ...] | None
) -> list[TokenStep]:
    """Return the steps of an output, which has the tokens since the one before it.

    Args:
        output: Of vLLM.
        request: The request.
        limit: Maximum number of new tokens; 0 drops the one that vLLM computes.
        prompt: Log-probabilities of the prompt, for the first step.

    Raises:
        ModelError: If the computation failed.
    """
    (completion,) = output.outputs
    reason = _read_reason(completion.finish_reason)
    if limit == 0:
        return [TokenStep(None, None, "length", prompt)] if reason or completion.token_ids else []
    steps = []
    for index, token in enumerate(completion.token_ids):
        logprob = None
        if request.options.top_logprobs is not None and completion.logprobs is not None:
            logprob = _read_logprob(completion.logprobs[index], token, request.options.top_logprobs)
        is_last = index == len(completion.token_ids) - 1 and reason != "cancelled"
        steps.append(TokenStep(token, logprob, reason if is_last else None, prompt if index == 0 else None))
    if reason is not None and (not steps or reason == "cancelled"):
        steps.append(TokenStep(None, None, reason, None if steps else prompt))
    return steps


def read_prompt_logprobs(output: RequestOutput, request: TokenRequest) -> tuple[TokenLogprob | None, ...] | None:
    """Return the log-probabilities of the prompt; None where the request does not ask for them."""
    count, positions = request.prompt_logprobs, output.prompt_logprobs
    if count is None or not positions:
        return None
    return tuple(
        None if values is None else _read_logprob(values, token, count)
        for token, values in zip(request.prompt, positions, strict=True)
    )


def _read_logprob(values: Mapping[int, Logprob], token: int, count: int) -> TokenLogprob:
    """Return the token and the `count` most likely ones; vLLM adds the token itself if it is not among them."""
    best = sorted(values.items(), key=lambda item: (-item[1].logprob, item[1].rank or 0))
    alternatives = tuple((other, max(value.logprob, MIN_LOGPROB)) for other, value in best[:count])
    return TokenLogprob(max(values[token].logprob, MIN_LOGPROB), alternatives)


def _read_reason(reason: str | None) -> FinishReason | None:
    if reason is None:
        return None
    if reason not in _FINISH_REASONS:
        raise ModelError(_("vLLM ended an answer with {reason!r}; its log says why", reason=reason))
    return _FINISH_REASONS[reason]
