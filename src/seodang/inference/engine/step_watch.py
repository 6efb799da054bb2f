"""Find a step that never ends, such as one that waits for a lock or for a GPU that hangs."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from torch import nn

from seodang.i18n import _
from seodang.inference.engine.contract import EngineStopped

logger = logging.getLogger(__name__)
_MAX_INTERVAL: Final = 1.0
_CHECKS: Final = 10
"""Checks within the limit, at least."""


class StepProgress:
    """Where the engine is; its thread writes, and the watch reads."""

    def __init__(self) -> None:
        self._count = 0
        self.mark: int | None = None
        """Another number after each sign of progress; None while there is nothing to compute."""

    def advance(self) -> None:
        """Show that the engine computes: another step, or another part of one, begins."""
        self._count += 1
        self.mark = self._count

    def rest(self) -> None:
        """Show that the engine waits for requests."""
        self.mark = None


class StallClock:
    """Measures for how long an engine has made no progress.

    Only time counts in which this process checked. A process that was stopped (SIGSTOP), or a machine that slept, did
    not check: whatever the length of the gap, it counts as two intervals at most.
    """

    def __init__(self, interval: float) -> None:
        """Start at zero.

        Args:
            interval: Usual time between two checks, in seconds.
        """
        self._max_gap = 2 * interval
        self._mark: int | None = None
        self._checked_at: float | None = None
        self._seconds = 0.0

    def measure(self, mark: int | None, now: float) -> float:
        """Return the seconds since the last progress; 0 while the engine rests.

        Args:
            mark: As in StepProgress.
            now: By time.monotonic().
        """
        gap = 0.0 if self._checked_at is None else min(now - self._checked_at, self._max_gap)
        self._checked_at = now
        self._seconds = self._seconds + gap if mark is not None and mark == self._mark else 0.0
        self._mark = mark
        return self._seconds


class StepWatch:
    """Checks an engine's thread in a thread of its own."""

    def __init__(
        self,
        limit: float,
        progress: StepProgress,
        observe: Callable[[float], None],
        stop_engine: Callable[[EngineStopped], None],
    ) -> None:
        """Prepare the checks.

        Args:
            limit: Seconds without progress after which the engine counts as stopped.
            progress: Of the engine.
            observe: Takes the seconds since the last progress, at each check.
            stop_engine: Is called once, after the limit, with the reason.
        """
        self._limit = limit
        self._progress = progress
        self._observe = observe
        self._stop_engine = stop_engine
        self._interval = get_check_interval(limit)
        self._is_over = threading.Event()

    def start(self, watched: threading.Thread) -> None:
        """Check a thread until stop() is called."""
        thread = threading.Thread(target=self._check, args=(watched,), name="seodang-step-watch", daemon=True)
        thread.start()

    def stop(self) -> None:
        """End the checks."""
        self._is_over.set()

    def _check(self, watched: threading.Thread) -> None:
        clock = StallClock(self._interval)
        while not self._is_over.wait(self._interval):
            seconds = clock.measure(self._progress.mark, time.monotonic())
            self._observe(seconds)
            if seconds >= self._limit:
                failure = build_stall_failure(seconds)
                fields = {"seconds": round(seconds, 1), "trace": describe_thread(watched)}
                logger.critical(str(failure), extra={"fields": fields})
                self._stop_engine(failure)
                return


def get_check_interval(limit: float) -> float:
    """Return the time between two checks, in seconds."""
    return min(_MAX_INTERVAL, limit / _CHECKS)


def build_stall_failure(seconds: float) -> EngineStopped:
    """Return the reason of an engine that makes no progress."""
    return EngineStopped(_("the engine has stopped: a step has not ended for {seconds:.0f} s", seconds=seconds))


def describe_thread(thread: threading.Thread) -> list[str]:
    """Return where a thread is, outermost call first; no values, which may hold a prompt."""
    frame = sys._current_frames().get(thread.ident or 0)
    frames = [] if frame is None else traceback.extract_stack(frame)
    return [f"{each.filename.rpartition('/')[2]}:{each.lineno} {each.name}" for each in frames][-20:]


@contextmanager
def watch_layers(model: nn.Module, progress: StepProgress) -> Iterator[None]:
    """Let each layer of a model show progress: one forward pass over a long prompt can take many minutes."""

    def advance(_module: Any, _inputs: Any) -> None:
        progress.advance()

    lists = (module for module in model.modules() if isinstance(module, nn.ModuleList))
    handles = [layer.register_forward_pre_hook(advance) for layers in lists for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
