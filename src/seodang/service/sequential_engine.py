"""An engine that answers one request at a time with transformers' own generation loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
)

from seodang.errors import ModelError, SeodangError
from seodang.i18n import _
from seodang.inference.engine.contract import (
    EngineStatus,
    FinishReason,
    QueueFull,
    TokenLogprob,
    TokenRequest,
    TokenStep,
)
from seodang.service.token_selection import TokenSelector, compute_prompt_logprobs

logger = logging.getLogger(__name__)


class SequentialEngine:
    """Answers requests in their order. torch uses every core for one answer; a second one would slow both down."""

    def __init__(
        self, model: PreTrainedModel, stop_ids: list[int], context_length: int | None, max_requests: int
    ) -> None:
        """Create an engine.

        Args:
            model: Model in evaluation mode.
            stop_ids: Tokens that end an answer where the request names none.
            context_length: Tokens of prompt and answer; None: no limit.
            max_requests: Bound of running and waiting requests.
        """
        self.context_length = context_length
        self._model = model
        self._stop_ids = frozenset(stop_ids)
        self._max_requests = max_requests
        self._requests: set[_Steps] = set()
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, "generation")

    def submit(self, request: TokenRequest) -> AsyncIterator[TokenStep]:
        """Return the steps of the answer; closing the iterator ends the generation within one step.

        Raises:
            QueueFull: If running and waiting requests reach the bound.
        """
        steps = _Steps(asyncio.get_running_loop(), self._release)
        with self._lock:
            if len(self._requests) >= self._max_requests:
                raise QueueFull
            self._requests.add(steps)
        self._executor.submit(self._run, request, steps)
        return steps

    def get_status(self) -> EngineStatus:
        """Return the present load."""
        count = len(self._requests)
        return EngineStatus(min(count, 1), max(count - 1, 0), 0, 0, 0)

    async def close(self, timeout: float) -> None:
        """Finish the running requests within `timeout` seconds, cancel the others, and stop."""
        deadline = asyncio.get_running_loop().time() + timeout
        while self._requests and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        with self._lock:
            for steps in self._requests:
                steps.cancelled.set()
        await asyncio.to_thread(self._executor.shutdown)

    def _run(self, request: TokenRequest, steps: _Steps) -> None:
        try:
            self._generate(request, steps)
        except SeodangError as error:
            steps.push(error)
        except Exception as error:  # a model raises errors of any class
            steps.push(ModelError(_("the model failed: {error}", error=type(error).__name__)))
        finally:
            self._release(steps)

    def _release(self, steps: _Steps) -> None:
        with self._lock:
            self._requests.discard(steps)

    @torch.inference_mode()
    def _generate(self, request: TokenRequest, steps: _Steps) -> None:
        if steps.cancelled.is_set():
            steps.push(TokenStep(None, finish_reason="cancelled"))
            return
        ids = torch.tensor([request.prompt], device=self._model.device)
        prompt_logprobs = (
            None
            if request.prompt_logprobs is None
            else compute_prompt_logprobs(self._model, ids, request.prompt_logprobs)
        )
        options = request.options
        if options.max_new_tokens == 0:
            steps.push(TokenStep(None, finish_reason="length", prompt_logprobs=prompt_logprobs))
            return
        stop_ids = options.stop_ids or self._stop_ids
        selection = _Selection(TokenSelector(options, self._model.device))
        reporter = _Reporter(steps, selection, stop_ids, options.max_new_tokens, prompt_logprobs)
        config = GenerationConfig(
            use_cache=True,
            do_sample=False,  # the selection leaves one token to choose from
            max_new_tokens=options.max_new_tokens,
            eos_token_id=sorted(stop_ids),
            pad_token_id=min(stop_ids),
        )
        self._model.generate(  # type: ignore[operator]
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            generation_config=config,
            logits_processor=LogitsProcessorList([selection]),
            stopping_criteria=StoppingCriteriaList([reporter]),
        )


class _Steps:
    """The steps of one answer, on their way from the thread of the model to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, release: Callable[[_Steps], None]) -> None:
        self.cancelled = threading.Event()
        self._loop = loop
        self._release = release
        self._queue: asyncio.Queue[TokenStep | Exception] = asyncio.Queue()
        self._is_finished = False

    def push(self, item: TokenStep | Exception) -> None:
        """Pass an item on; called by the thread of the model."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    def __aiter__(self) -> AsyncIterator[TokenStep]:
        return self

    async def __anext__(self) -> TokenStep:
        if self._is_finished:
            raise StopAsyncIteration
        item = await self._queue.get()
        if isinstance(item, Exception):
            self._is_finished = True
            raise item
        self._is_finished = item.finish_reason is not None
        return item

    async def aclose(self) -> None:
        """End the answer; a request that still waits takes no place in the queue any more."""
        self._is_finished = True
        self.cancelled.set()
        self._release(self)


class _Selection(LogitsProcessor):
    """Leaves one token to choose from."""

    def __init__(self, selector: TokenSelector) -> None:
        self._selector = selector
        self.logprob: TokenLogprob | None = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return scores in which the selected token is the best."""
        token, self.logprob = self._selector.select(scores[0])
        selected = torch.full_like(scores, -torch.inf)
        selected[0, token] = 0
        return selected


class _Reporter(StoppingCriteria):
    """Pushes each token as a step, and ends the generation."""

    def __init__(
        self,
        steps: _Steps,
        selection: _Selection,
        stop_ids: frozenset[int],
        max_new_tokens: int,
        prompt_logprobs: tuple[TokenLogprob | None, ...] | None,
    ) -> None:
        self._steps = steps
        self._selection = selection
        self._stop_ids = stop_ids
        self._remaining = max_new_tokens
        self._prompt_logprobs = prompt_logprobs

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """Return whether the answer has ended."""
        token = int(input_ids[0, -1])
        self._remaining -= 1
        reason: FinishReason | None = None
        if token in self._stop_ids:
            reason = "stop"
        elif self._remaining == 0:
            reason = "length"
        elif self._steps.cancelled.is_set():
            reason = "cancelled"
        step = TokenStep(token, self._selection.logprob, reason)
        if self._prompt_logprobs is not None:
            step, self._prompt_logprobs = replace(step, prompt_logprobs=self._prompt_logprobs), None
        self._steps.push(step)
        ends: Tensor = torch.tensor([reason is not None], device=input_ids.device)
        return ends
