"""Measure one answer: times, tokens, and how it ends; for metrics and for the span of its request."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from functools import cache
from typing import Any, Final, Protocol, Self, runtime_checkable

from seodang.inference.engine.contract import TokenRequest, TokenStep
from seodang.service.answers.ratings import Rating
from seodang.service.http.request_marks import is_probe
from seodang.service.telemetry.metrics import Metrics, get_metrics
from seodang.service.telemetry.tracing import current_span

_FAILED: Final = "error"
_ABORTED: Final = "abort"
FINISH_REASONS: Final = ("stop", "length", _ABORTED, _FAILED)
"""Values of the label finished_reason, those of vLLM."""
RATINGS: Final[tuple[Rating, ...]] = ("up", "down")
"""Values of the label rating."""


@runtime_checkable
class _Closable(Protocol):
    async def aclose(self) -> Any: ...


@runtime_checkable
class _Buffered(Protocol):
    def has_step(self) -> bool: ...


class _Series:
    """The metrics of one model; looking a label up takes longer than counting."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self.first_token_seconds = metrics.first_token_seconds.labels(name)
        self.inter_token_seconds = metrics.inter_token_seconds.labels(name)
        self.output_token_seconds = metrics.output_token_seconds.labels(name)
        self.answer_seconds = metrics.answer_seconds.labels(name)
        self.queue_seconds = metrics.queue_seconds.labels(name)
        self.prompt_tokens = metrics.prompt_tokens.labels(name)
        self.generation_tokens = metrics.generation_tokens.labels(name)
        self.request_prompt_tokens = metrics.request_prompt_tokens.labels(name)
        self.request_generation_tokens = metrics.request_generation_tokens.labels(name)
        self.prefix_queries = metrics.prefix_queries.labels(name)
        self.prefix_hits = metrics.prefix_hits.labels(name)
        self.answers = {reason: metrics.answers.labels(name, reason) for reason in FINISH_REASONS}
        self.probe_answers = {reason: metrics.probe_answers.labels(name, reason) for reason in FINISH_REASONS}
        self.probe_seconds = metrics.probe_seconds.labels(name)
        self.ratings = {rating: metrics.ratings.labels(name, rating) for rating in RATINGS}
        self.form_answers = {valid: metrics.form_answers.labels(name, str(valid).lower()) for valid in (True, False)}


@cache  # one for each served model
def create_series(name: str) -> _Series:
    """Return the metrics of a model, which are 0 before its first answer."""
    return _Series(get_metrics(), name)


class MeteredSteps:
    """The steps of one answer, which it counts by the name of their model."""

    def __init__(self, steps: AsyncIterator[TokenStep], request: TokenRequest, model_name: str, tag: str) -> None:
        """Count from now on.

        Args:
            steps: Of the engine.
            request: The request.
            model_name: Of a served model.
            tag: Of the model, with its version.
        """
        self.finish_reason: str | None = None
        """The reader sets it where an answer ends before the engine ends it, as at a stop text."""
        self._steps = steps
        self._buffered = steps if isinstance(steps, _Buffered) else None  # once: it takes longer than the question
        self._request = request
        self._series = create_series(model_name)
        self._started = time.monotonic()
        self._first: float | None = None
        self._last = self._started
        self._tokens = 0
        self._gaps: list[float] = []
        self._is_counted = False
        self._is_probe = is_probe.get()
        self._span = current_span.get()
        if self._span is not None:
            self._span.begin_answer(model_name, tag, request)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TokenStep:
        """Return the next step."""
        try:
            step = await anext(self._steps)
        except StopAsyncIteration:
            raise
        except Exception:
            self._count(_FAILED)
            raise
        self._observe(step)
        return step

    def has_step(self) -> bool:
        """Return whether the next step is there without waiting."""
        return self._buffered is not None and self._buffered.has_step()

    async def aclose(self) -> None:
        """End the request."""
        self._count(_ABORTED if self.finish_reason is None else self.finish_reason)
        if isinstance(self._steps, _Closable):
            await self._steps.aclose()

    def count_form(self, *, is_valid: bool) -> None:
        """Count an answer whose request gives it a form."""
        self._series.form_answers[is_valid].inc()

    def _observe(self, step: TokenStep) -> None:
        now, series = step.computed_at or time.monotonic(), self._series
        if step.start is not None:
            if step.start.queue_seconds is not None:
                series.queue_seconds.observe(step.start.queue_seconds)
            if self._span is not None:
                self._span.start_answer(self._request, step.start)
            if self._request.prompt_logprobs is None:  # tokens that are described are not looked up
                series.prefix_queries.inc(len(self._request.prompt))
                series.prefix_hits.inc(step.start.cached_tokens)
        if step.token is not None:
            self._tokens += 1
            if self._first is None:
                self._first = now
                series.first_token_seconds.observe(now - self._started)
            else:
                self._gaps.append(now - self._last)
            self._last = now
        if step.finish_reason is not None:
            self._count(_ABORTED if step.finish_reason == "cancelled" else step.finish_reason)

    def _count(self, reason: str) -> None:
        if self._is_counted:
            return
        self._is_counted = True
        series, prompt_tokens = self._series, len(self._request.prompt)
        reason = reason if reason in FINISH_REASONS else "stop"
        if self._span is not None:
            self._span.end_answer(self._tokens, reason)
        series.answers[reason].inc()
        if self._is_probe:
            series.probe_answers[reason].inc()
        series.prompt_tokens.inc(prompt_tokens)
        series.generation_tokens.inc(self._tokens)
        if self._gaps:
            series.inter_token_seconds.observe_all(self._gaps)
        if reason in (_FAILED, _ABORTED):
            return
        seconds = time.monotonic() - self._started
        series.answer_seconds.observe(seconds)
        if self._is_probe:
            series.probe_seconds.observe(seconds)
        series.request_prompt_tokens.observe(prompt_tokens)
        series.request_generation_tokens.observe(self._tokens)
        if self._first is not None and self._tokens > 1:
            series.output_token_seconds.observe((self._last - self._first) / (self._tokens - 1))
