"""Continuous batching with transformers: one forward pass per step for all running requests of an adapter."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Collection
from typing import Final

import torch
from transformers import PreTrainedModel

from seodang.i18n import _
from seodang.inference.engine.batch_shape import use_attention
from seodang.inference.engine.contract import EngineObserver, EngineStatus, EngineStopped, QueueFull, TokenRequest
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.step_watch import StepProgress, StepWatch
from seodang.inference.engine.streams import Channel, Outbox, StepStream
from seodang.inference.engine.worker import Worker
from seodang.inference.generation import make_head_contiguous
from seodang.inference.tree_attention import can_use_tree
from seodang.models.kernels.norms import use_fused_norms
from seodang.models.kernels.packed_linear import PackedLinears
from seodang.models.loading import get_context_length

logger = logging.getLogger(__name__)
_JOIN_SECONDS: Final = 0.05


class TransformersEngine:
    """Continues prompts with a model of transformers, on a CPU or GPU; see contract.Engine."""

    def __init__(
        self,
        model: PreTrainedModel,
        stop_ids: Collection[int],
        limits: Limits | None = None,
        *,
        prefix_tokens: int = 8192,
        deterministic: bool = False,
    ) -> None:
        """Start the thread that owns the model.

        Args:
            model: In evaluation mode; with adapters where requests name them.
            stop_ids: End tokens of the model.
            limits: Bounds; None for the standard ones.
            prefix_tokens: Maximum number of tokens in the prefix cache; 0 for none.
            deterministic: Compute all forward passes in one shape, so that no bit of an answer depends on what else
                is running; see batch_shape. Slower.
        """
        self.context_length = get_context_length(model.config)
        self._model = model
        self._is_eager = deterministic and model.device.type == "cpu" and can_use_tree(model)
        self._limits = limits or Limits()
        self._condition = threading.Condition()
        self._arrived: deque[tuple[TokenRequest, Channel]] = deque()
        self._open: set[Channel] = set()
        self._deadline: float | None = None
        """By time.monotonic(); None while the engine is open."""
        self._failure: EngineStopped | None = None
        self._outbox = Outbox()
        self._progress = StepProgress()
        self._linears = PackedLinears.pack(model)
        self._worker = Worker(
            model,
            frozenset(stop_ids),
            self._limits,
            prefix_tokens=prefix_tokens,
            is_fixed=deterministic,
            is_packed=self._linears.is_complete,
            outbox=self._outbox,
            collect=self._collect,
            progress=self._progress,
        )
        self._linears.prepare(self._worker.max_forward_tokens)
        self._thread = threading.Thread(target=self._work, name="seodang-engine", daemon=True)
        self._watch = StepWatch(self._limits.step_seconds, self._progress, self._observe_stall, self._fail)
        self._thread.start()
        self._watch.start(self._thread)

    def submit(self, request: TokenRequest) -> StepStream:
        """Return the steps of the answer as they are computed; see contract.Engine.submit().

        Raises:
            QueueFull: If running and waiting requests reach the bound, or the engine is closed.
            EngineStopped: If the engine has ended by itself.
        """
        loop = asyncio.get_running_loop()
        channel = Channel(loop, self._outbox, self._wake, max_delay=request.max_delay)
        with self._condition:
            if self._failure is not None:
                raise self._failure
            self._open = {item for item in self._open if not (item.is_closed or item.is_finished)}
            if self._deadline is not None or len(self._open) >= self._limits.max_running + self._limits.max_waiting:
                raise QueueFull
            self._open.add(channel)
            self._arrived.append((request, channel))
        self._wake()
        return StepStream(channel)

    def get_status(self) -> EngineStatus:
        """Return the present load; prefix hits and queries are tokens."""
        status = self._worker.get_status()
        return EngineStatus(
            status.running,
            status.waiting + len(self._arrived),
            status.cached_tokens,
            status.prefix_hits,
            status.prefix_queries,
        )

    def set_observer(self, observer: EngineObserver) -> None:
        """Report load and batches to an observer from now on."""
        self._worker.observer = observer

    async def close(self, timeout: float) -> None:
        """Finish the running requests within `timeout` seconds, cancel the others, and stop.

        Args:
            timeout: In seconds, at least 0.
        """
        with self._condition:
            self._deadline = time.monotonic() + timeout
        self._wake()
        await asyncio.to_thread(self._wait_for_end)
        self._watch.stop()

    def _wait_for_end(self) -> None:
        """Wait for the engine's thread, but not for one that hangs."""
        while self._thread.is_alive() and self._failure is None:
            self._thread.join(_JOIN_SECONDS)

    def _wake(self) -> None:
        with self._condition:  # reentrant: the collector may drop a stream while the lock is held
            self._condition.notify()

    def _collect(self) -> float | None:
        """Pass on what arrived since the last call; return the time at which running requests are canceled."""
        with self._condition:
            while self._arrived:
                self._worker.accept(*self._arrived.popleft())
            return self._deadline if self._failure is None else 0.0

    def get_failure(self) -> EngineStopped | None:
        """Return why the thread of the engine has ended by itself; see contract.Engine.get_failure()."""
        return self._failure

    def _work(self) -> None:
        try:
            self._run()
        except BaseException as error:
            logger.exception("the engine has stopped")
            self._outbox.flush()
            self._fail(EngineStopped(_("the engine has stopped: {error}", error=type(error).__name__)))

    def _fail(self, failure: EngineStopped) -> None:
        """End all requests: no step will be computed any more. Called by the engine's thread, or by its watch."""
        self._watch.stop()
        with self._condition:
            if self._failure is not None:  # a thread that hung has gone on, and failed
                return
            self._failure = failure
            self._arrived.clear()
            for channel in self._open:
                if not channel.is_finished:
                    channel.fail(failure)

    def _observe_stall(self, seconds: float) -> None:
        if self._worker.observer is not None:
            self._worker.observer.observe_stall(seconds)

    @torch.inference_mode()
    def _run(self) -> None:
        try:
            attention = "eager" if self._is_eager else None
            with (
                make_head_contiguous(self._model),
                use_fused_norms(self._model),
                use_attention(self._model, attention),
            ):
                while self._wait_for_work():
                    self._worker.work()
        finally:
            self._linears.restore()

    def _wait_for_work(self) -> bool:
        """Wait for a request; return False if the engine is closed and no request is left."""
        with self._condition:
            while not (self._arrived or self._worker.has_work()):
                if self._deadline is not None:
                    return False
                self._progress.rest()
                self._condition.wait()
            self._progress.advance()
            return self._failure is None
