"""Carry the steps of answers from the worker's thread to the event loops of their readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from seodang.inference.engine.contract import TokenStep


class Outbox:
    """Steps that were computed since the last flush; each event loop is woken once for all of them."""

    def __init__(self) -> None:
        self._items: dict[asyncio.AbstractEventLoop, list[tuple[StepStream, TokenStep | Exception]]] = {}

    def add(self, stream: StepStream, item: TokenStep | Exception) -> None:
        """Add a step, or an error, which is the last item of a stream."""
        self._items.setdefault(stream.loop, []).append((stream, item))

    def flush(self) -> None:
        """Hand all items over."""
        items, self._items = self._items, {}
        for loop, group in items.items():
            try:
                loop.call_soon_threadsafe(_put_all, group)
            except RuntimeError:  # the loop is closed: nobody reads
                for stream, _item in group:
                    stream.close()


def _put_all(group: list[tuple[StepStream, TokenStep | Exception]]) -> None:
    for stream, item in group:
        stream.put(item)


class StepStream:
    """The asynchronous iterator of an answer. Closing it, or dropping it, ends the request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outbox: Outbox, wake: Callable[[], None]) -> None:
        """Create an empty stream.

        Args:
            loop: Event loop of the reader.
            outbox: Takes the items of the worker.
            wake: Makes the worker notice that the stream was closed.
        """
        self.loop = loop
        self.is_closed = False
        self._outbox = outbox
        self._wake = wake
        self._queue: asyncio.Queue[TokenStep | Exception] = asyncio.Queue()
        self._has_ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TokenStep:
        """Return the next step.

        Raises:
            SeodangError: If the model failed.
        """
        if self._has_ended or self.is_closed:
            raise StopAsyncIteration
        item = await self._queue.get()
        if isinstance(item, Exception):
            self._has_ended = True
            raise item
        self._has_ended = item.finish_reason is not None
        return item

    async def aclose(self) -> None:
        """End the request; its slot is free after the present step."""
        self.close()

    def close(self) -> None:
        """Do the same from any thread."""
        if not self.is_closed:
            self.is_closed = True
            if not self._has_ended:
                self._wake()

    def __del__(self) -> None:
        self.close()

    def put(self, item: TokenStep | Exception) -> None:
        """Give an item to the reader; in the thread of the event loop."""
        self._queue.put_nowait(item)

    def deliver(self, item: TokenStep | Exception) -> None:
        """Give an item to the reader with the next flush; in the worker's thread."""
        self._outbox.add(self, item)
