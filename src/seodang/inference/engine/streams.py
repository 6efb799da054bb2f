"""Carry the steps of answers from the worker's thread to the event loops of their readers."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Self

from seodang.inference.engine.contract import TokenStep

_HELD_STEPS = 32  # of one answer; more would keep the event loop from other readers for too long


class Outbox:
    """Steps that were computed since the last flush; each event loop is woken once for all of them."""

    def __init__(self) -> None:
        self._items: dict[asyncio.AbstractEventLoop, list[tuple[Channel, TokenStep | Exception]]] = {}

    def add(self, channel: Channel, item: TokenStep | Exception) -> None:
        """Add a step, or an error, which is the last item of a channel."""
        self._items.setdefault(channel.loop, []).append((channel, item))

    def flush(self) -> None:
        """Hand all items over."""
        items, self._items = self._items, {}
        for loop, group in items.items():
            try:
                loop.call_soon_threadsafe(_put_all, group)
            except RuntimeError:  # the loop is closed: nobody reads
                for channel, _item in group:
                    channel.close()


def _put_all(group: list[tuple[Channel, TokenStep | Exception]]) -> None:
    for channel, item in group:
        channel.put(item)


class Channel:
    """Queue between a request of the worker and its reader. It does not keep the reader's iterator alive."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        outbox: Outbox,
        wake: Callable[[], None],
        *,
        max_delay: float = 0.0,
    ) -> None:
        """Create an empty channel.

        Args:
            loop: Event loop of the reader.
            outbox: Takes the items of the worker.
            wake: Makes the worker notice that the channel was closed.
            max_delay: Seconds that a step waits for the next ones; see contract.TokenRequest. At first it is shorter,
                as a reader waits for the first letter, which takes up to four tokens.
        """
        self.loop = loop
        self.is_closed = False
        self.is_finished = False
        """Whether the worker has delivered the last item."""
        self.opened_at = time.monotonic()
        self._items: deque[TokenStep | Exception] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._outbox = outbox
        self._wake = wake
        self._max_delay = max_delay
        self._first_at = math.inf
        self._delivered_at = -math.inf
        self._held: list[TokenStep] = []

    def put(self, item: TokenStep | Exception) -> None:
        """Give an item to the reader; in the thread of the event loop."""
        self._items.append(item)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> TokenStep | Exception:
        """Wait for the next item; one reader at a time. asyncio.Queue takes three times as long for each token."""
        while not self._items:
            self._reader = self.loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._items.popleft()

    def has_step(self) -> bool:
        """Return whether the next item is there, and a step of an answer that goes on or ends by itself."""
        item = self._items[0] if self._items else None
        return isinstance(item, TokenStep) and item.finish_reason != "cancelled"

    def deliver(self, item: TokenStep | Exception) -> None:
        """Give an item to the reader with the next flush; in the worker's thread."""
        if isinstance(item, Exception) or item.finish_reason is not None:
            self.is_finished = True
        elif self._max_delay:
            now = time.monotonic()
            if now - self._delivered_at < self._get_delay(now) and len(self._held) < _HELD_STEPS:
                self._held.append(replace(item, computed_at=now))
                return
            self._delivered_at = now
        for step in self._held:
            self._outbox.add(self, step)
        self._held.clear()
        self._outbox.add(self, item)

    def _get_delay(self, now: float) -> float:
        if self._max_delay == math.inf:
            return math.inf
        self._first_at = min(self._first_at, now)
        return min(self._max_delay, (now - self._first_at) / 2)  # after 1, 2, 4, 8 steps, and so on

    def fail(self, error: Exception) -> None:
        """Give an error to the reader at once, as the last item; from any thread."""
        self.is_finished = True
        with suppress(RuntimeError):  # the loop is closed: nobody reads
            self.loop.call_soon_threadsafe(self.put, error)

    def close(self) -> None:
        """End the request; from any thread."""
        if not self.is_closed:
            self.is_closed = True
            self._wake()


class StepStream:
    """The asynchronous iterator of an answer. Closing it, or dropping it, ends the request."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._has_ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TokenStep:
        """Return the next step.

        Raises:
            SeodangError: If the model failed.
        """
        if self._has_ended:
            raise StopAsyncIteration
        item = await self._channel.get()
        if isinstance(item, Exception):
            self._has_ended = True
            raise item
        self._has_ended = self._has_ended or item.finish_reason is not None
        return item

    def has_step(self) -> bool:
        """Return whether the next step is there without waiting."""
        return not self._has_ended and self._channel.has_step()

    async def aclose(self) -> None:
        """End the request; its slot is free after the present step."""
        if not self._has_ended:
            self._has_ended = True
            self._channel.close()
            self._channel.put(TokenStep(None, None, "cancelled"))  # for a reader that waits in another task

    def __del__(self) -> None:
        if not self._has_ended:
            self._channel.close()
