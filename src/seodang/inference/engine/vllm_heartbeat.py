"""Whether vLLM's process still computes: it answers questions between two steps."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from seodang.inference.engine.step_watch import StallClock, StepProgress, get_check_interval


class Heartbeat:
    """Asks vLLM again and again while it has requests; an answer that does not come shows a step that does not end.

    Steps themselves are no measure: a long prompt is read in many steps, and none of them has a token.
    """

    def __init__(self, engine: Any, limit: float) -> None:
        """Prepare the questions.

        Args:
            engine: vllm.v1.engine.async_llm.AsyncLLM.
            limit: Seconds without an answer after which vLLM counts as stopped.
        """
        self._engine = engine
        self._clock = StallClock(get_check_interval(limit))
        self._progress = StepProgress()
        self._question: asyncio.Task[None] | None = None

    def measure(self, *, is_busy: bool) -> float:
        """Return the seconds for which vLLM has not answered; called in its event loop.

        Args:
            is_busy: Whether it has requests; without one it is not asked again.
        """
        if self._question is None or self._question.done():
            if is_busy:
                self._question = asyncio.get_running_loop().create_task(self._ask())
                self._progress.advance()
            else:
                self._progress.rest()
        return self._clock.measure(self._progress.mark, time.monotonic())

    def close(self) -> None:
        """Ask no more."""
        if self._question is not None:
            self._question.cancel()

    async def _ask(self) -> None:
        with suppress(Exception):  # an error is an answer; get_failure() finds a process that has ended
            await self._engine.is_sleeping()  # vLLM's loop answers it without its workers
