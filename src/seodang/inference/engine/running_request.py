"""One request while the engine works on it."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import replace

import torch
from torch import Tensor

from seodang.errors import EvaluationError, SeodangError
from seodang.i18n import _
from seodang.inference.engine.contract import (
    AnswerStart,
    FinishReason,
    TokenLogprob,
    TokenMatcher,
    TokenRequest,
    TokenStep,
)
from seodang.inference.engine.sampling import choose_token, compute_logprob
from seodang.inference.engine.streams import Channel


class RunningRequest:
    """A request with its progress. The worker's thread owns all but `channel`."""

    def __init__(self, request: TokenRequest, channel: Channel, *, limit: int, stop_ids: frozenset[int]) -> None:
        """Create a request that has not begun.

        Args:
            request: The request.
            channel: Takes the steps.
            limit: Maximum number of new tokens within the context.
            stop_ids: Tokens that end the answer.
        """
        self.request = request
        self.channel = channel
        self.prompt = request.prompt
        self.adapter = request.adapter
        self.limit = limit
        self.width = len(request.prompt) + limit + 1  # one more: the column of the padding
        self.position = 0
        """Tokens in the cache."""
        self.last_token: int | None = None
        self.is_finished = False
        self.cached_tokens = 0
        """Tokens of the prompt that the prefix cache had."""
        self._queue_seconds: float | None = None
        """None before the request begins, and after its first step."""
        self._stop_ids = request.options.stop_ids or stop_ids
        self._counts: Counter[int] = Counter()
        self._prompt_logprobs: list[TokenLogprob | None] = [None]
        self._generator = _create_generator(request)
        self._matcher: TokenMatcher | None = None

    @property
    def needs_prompt_logits(self) -> bool:
        """Whether each token of the prompt is described by log-probabilities."""
        return self.request.prompt_logprobs is not None

    @property
    def is_prompt_read(self) -> bool:
        """Whether the whole prompt is in the cache."""
        return self.position >= len(self.prompt)

    def describe_prompt(self, logits: Tensor, start: int) -> None:
        """Record the log-probabilities of prompt tokens.

        Args:
            logits: At the positions `start`, `start` + 1 and so on, (positions, vocabulary).
            start: Position of the first logits.
        """
        count = self.request.prompt_logprobs
        assert count is not None
        for position, row in enumerate(logits, start):
            if position + 1 < len(self.prompt):
                self._prompt_logprobs.append(compute_logprob(row.float(), self.prompt[position + 1], count))

    def take_step(self, logits: Tensor, greedy_token: int | None = None) -> None:
        """Choose the next token and deliver it.

        Args:
            logits: Of the next token, (vocabulary), in fp32.
            greedy_token: The most likely token, where the request takes it as it is; None to choose here.

        Raises:
            GuideFailed: If the grammar of the answer is too complex.
        """
        options = self.request.options
        if self.limit == 0:
            self._deliver(TokenStep(None, None, "length", self._take_prompt_logprobs()))
            return
        token = self._choose_token(logits) if greedy_token is None else greedy_token
        self._counts[token] += 1
        self.last_token = token
        count = options.top_logprobs
        logprob = None if count is None else compute_logprob(logits, token, count)
        reason = self._get_finish_reason(token)
        self._deliver(TokenStep(token, logprob, reason, self._take_prompt_logprobs()))

    def begin(self) -> None:
        """Record the end of the time in the queue."""
        self._queue_seconds = time.monotonic() - self.channel.opened_at

    def cancel(self) -> None:
        """Deliver the end of an answer that is not continued."""
        if not self.is_finished:
            self._deliver(TokenStep(None, None, "cancelled"))

    def fail(self, error: Exception) -> None:
        """Deliver an error as the end of the answer."""
        self.is_finished = True
        self.channel.deliver(error)

    def _choose_token(self, logits: Tensor) -> int:
        options = self.request.options
        if options.guide is None:
            return choose_token(logits, options, self._counts, self._generator)
        self._matcher = self._matcher or options.guide.start()
        allowed = self._matcher.find_allowed(self._stop_ids)
        token = choose_token(logits, options, self._counts, self._generator, allowed)
        if token not in self._stop_ids:
            self._matcher.advance(token)
        return token

    def _get_finish_reason(self, token: int) -> FinishReason | None:
        if token in self._stop_ids:
            return "stop"
        return "length" if self._counts.total() >= self.limit else None

    def _take_prompt_logprobs(self) -> tuple[TokenLogprob | None, ...] | None:
        if not self.needs_prompt_logits or self._counts.total() > 1:
            return None
        return tuple(self._prompt_logprobs)

    def _deliver(self, step: TokenStep) -> None:
        self.is_finished = step.finish_reason is not None
        if self._queue_seconds is not None:
            step = replace(step, start=AnswerStart(self._queue_seconds, self.cached_tokens))
            self._queue_seconds = None
        self.channel.deliver(step)


def wrap_error(error: Exception) -> SeodangError:
    """Return the error that the reader of an answer gets for an error of a library."""
    if isinstance(error, SeodangError):
        return error
    return EvaluationError(_("the model failed: {error}", error=f"{type(error).__name__}: {error}"))


def _create_generator(request: TokenRequest) -> torch.Generator | None:
    if request.options.temperature == 0:
        return None
    seed = request.options.seed
    # torch takes 64 bits.
    return torch.Generator().manual_seed((random.getrandbits(63) if seed is None else seed) % 2**63)
