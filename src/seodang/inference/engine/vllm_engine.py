"""The token engine on vLLM, for CUDA; see vllm_loading and requirements-vllm.txt."""

from __future__ import annotations

import asyncio
import atexit
import logging
import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.inference.engine.admission import check_request, get_token_limit
from seodang.inference.engine.contract import (
    AnswerStart,
    EngineLoad,
    EngineObserver,
    EngineStatus,
    EngineStopped,
    QueueFull,
    TokenRequest,
    TokenStep,
)
from seodang.inference.engine.process_guard import ProcessGuard
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.step_watch import build_stall_failure, get_check_interval
from seodang.inference.engine.streams import Channel, Outbox, StepStream
from seodang.inference.engine.vllm_guides import check_tokenizer
from seodang.inference.engine.vllm_heartbeat import Heartbeat
from seodang.inference.engine.vllm_lora import LoraAdapters
from seodang.inference.engine.vllm_mapping import build_sampling_arguments, read_prompt_logprobs, read_steps
from seodang.inference.engine.vllm_signals import protect_workers

logger = logging.getLogger(__name__)
_POLL_SECONDS: Final = 0.25
SHUTDOWN_SECONDS: Final = 5.0
"""Time in which vLLM's processes may end before they are killed."""


class VllmEngine:
    """Continues prompts with vLLM's continuous batching; see contract.Engine."""

    def __init__(
        self,
        engine: Any,
        stop_ids: Collection[int],
        adapters: Mapping[str, Path] | None = None,
        limits: Limits | None = None,
        guard: ProcessGuard | None = None,
    ) -> None:
        """Serve a running vLLM.

        Args:
            engine: vllm.v1.engine.async_llm.AsyncLLM.
            stop_ids: End tokens of the model.
            adapters: Folders of LoRA adapters by name.
            limits: Bounds; None for the standard ones.
            guard: Of vLLM's other processes.
        """
        self.context_length: int | None = engine.model_config.max_model_len
        self._engine = engine
        self._vocab_size: int = engine.model_config.get_vocab_size()
        self._stop_ids = frozenset(stop_ids)
        self._adapters = LoraAdapters(engine, adapters or {})
        self._limits = limits or Limits()
        self._open: dict[Channel, asyncio.Task[None]] = {}
        self._adapter_of: dict[Channel, str | None] = {}
        self._observer: EngineObserver | None = None
        self._is_closed = False
        self._failure: EngineStopped | None = None
        self._guard = guard
        self._watcher: asyncio.Task[None] | None = None
        self._heartbeat = Heartbeat(engine, self._limits.step_seconds)
        self._prefix_hits = self._prefix_queries = 0

    def submit(self, request: TokenRequest) -> StepStream:
        """Return the steps of the answer as they are computed; see contract.Engine.submit().

        Raises:
            QueueFull: If running and waiting requests reach the bound, or the engine is closed.
            EngineStopped: If vLLM has ended by itself.
        """
        failure = self.get_failure()
        if failure is not None:
            raise failure
        self._forget_ended()
        if self._is_closed or len(self._open) >= self._limits.max_running + self._limits.max_waiting:
            raise QueueFull
        loop = asyncio.get_running_loop()
        if self._watcher is None:
            self._watcher = loop.create_task(self._watch())

        def cancel() -> None:
            loop.call_soon_threadsafe(task.cancel)

        channel = Channel(loop, Outbox(), cancel)
        task = loop.create_task(self._compute(request, channel))
        self._open[channel] = task
        self._adapter_of[channel] = request.adapter
        task.add_done_callback(lambda _task: self._report_load())
        self._report_load()
        return StepStream(channel)

    async def start(self) -> None:
        """Load the adapters; see LoraAdapters.load(). From now on its workers end with it, and not by SIGTERM."""
        await protect_workers(self._engine)
        await self._adapters.load()

    def get_failure(self) -> EngineStopped | None:
        """Return why vLLM has ended by itself; see contract.Engine.get_failure()."""
        if self._failure is None and not self._is_closed and self._engine.errored:
            logger.error("vLLM has ended by itself; the lines before say why")
            self._failure = EngineStopped(_("the engine has stopped: {error}", error="vLLM"))
        return self._failure

    def get_status(self) -> EngineStatus:
        """Return the present load; prefix hits and queries are tokens. vLLM does not tell the tokens in its cache."""
        self._forget_ended()
        running = min(len(self._open), self._limits.max_running)
        return EngineStatus(running, len(self._open) - running, 0, self._prefix_hits, self._prefix_queries)

    def set_observer(self, observer: EngineObserver) -> None:
        """Report the load to an observer from now on; vLLM does not tell its batches."""
        self._observer = observer

    async def close(self, timeout: float) -> None:
        """Finish the running requests within `timeout` seconds, cancel the others, and stop.

        Args:
            timeout: In seconds, at least 0.
        """
        self._is_closed = True
        if self._watcher is not None:
            self._watcher.cancel()
            self._heartbeat.close()
        self._forget_ended()
        if self._open and self._failure is None:
            await asyncio.wait(self._open.values(), timeout=timeout)
        self._forget_ended()
        for channel, task in self._open.items():
            channel.put(TokenStep(None, None, "cancelled"))
            task.cancel()
        await asyncio.gather(*self._open.values(), return_exceptions=True)
        atexit.unregister(self._engine.shutdown)
        self._engine.shutdown(SHUTDOWN_SECONDS)  # in the loop, whose reader of outputs would else report a dead engine
        if self._guard is not None:
            await asyncio.to_thread(self._guard.end)

    async def _watch(self) -> None:
        """End all requests when vLLM ends by itself: those that it holds would never end."""
        while (failure := self.get_failure()) is None:
            await asyncio.sleep(min(_POLL_SECONDS, get_check_interval(self._limits.step_seconds)))
            self._forget_ended()
            seconds = self._heartbeat.measure(is_busy=bool(self._open))
            if self._observer is not None:
                self._observer.observe_stall(seconds)
            if seconds >= self._limits.step_seconds:
                self._failure = build_stall_failure(seconds)
                logger.critical(str(self._failure))
        self._forget_ended()
        for channel, task in self._open.items():
            channel.is_finished = True
            channel.put(failure)
            task.cancel()

    def _forget_ended(self) -> None:
        self._open = {
            channel: task
            for channel, task in self._open.items()
            if not (channel.is_closed or channel.is_finished or task.done())
        }

    def _report_load(self) -> None:
        self._forget_ended()
        self._adapter_of = {channel: self._adapter_of[channel] for channel in self._open}
        if self._observer is not None:
            adapters = list(self._adapter_of.values())  # the oldest requests run
            running, waiting = adapters[: self._limits.max_running], adapters[self._limits.max_running :]
            self._observer.observe_load(EngineLoad(Counter(running), Counter(waiting), 0.0))

    async def _compute(self, request: TokenRequest, channel: Channel) -> None:
        """Put the steps of an answer into its channel; cancelling the task ends the request in vLLM."""
        try:
            check_request(request, vocab_size=self._vocab_size, context_length=self.context_length)
            await self._adapters.load()
            await self._pass_on(request, channel)
        except ModelError as error:
            channel.put(error)
        except Exception as error:
            channel.put(
                self.get_failure() or ModelError(_("vLLM failed: {error}", error=f"{type(error).__name__}: {error}"))
            )
        finally:
            channel.is_finished = True

    async def _pass_on(self, request: TokenRequest, channel: Channel) -> None:
        limit = get_token_limit(request, self.context_length)
        if limit == 0 and request.prompt_logprobs is None:
            channel.put(TokenStep(None, None, "length"))
            return
        if request.options.guide is not None:
            await asyncio.to_thread(check_tokenizer, self._engine.get_tokenizer())
        prompt, is_counted = None, False
        start: AnswerStart | None = None
        async for output in self._generate(request, limit):
            if not is_counted:
                is_counted = True
                prompt = read_prompt_logprobs(output, request)
                self._prefix_queries += len(request.prompt)
                start = AnswerStart(None, output.num_cached_tokens or 0)
                self._prefix_hits += start.cached_tokens
            for step in read_steps(output, request, limit, prompt):
                channel.put(replace(step, start=start))
                prompt = start = None

    def _generate(self, request: TokenRequest, limit: int) -> Any:
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

        arguments = build_sampling_arguments(request, self._stop_ids, limit)
        if arguments["structured_outputs"] is not None:
            arguments["structured_outputs"] = StructuredOutputsParams(**arguments["structured_outputs"])
        return self._engine.generate(
            tokens_input(list(request.prompt)),
            SamplingParams(**arguments, output_kind=RequestOutputKind.DELTA),
            uuid.uuid4().hex,
            lora_request=self._adapters.build_request(request.adapter),
        )
