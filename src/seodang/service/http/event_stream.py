"""Answers that are sent as they are computed: server-sent events."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Any, Final

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from seodang.service.http.api_error import ApiError, build_server_error
from seodang.service.http.json_response import END_EVENT, format_event
from seodang.service.telemetry.json_log import describe_failure
from seodang.service.telemetry.metrics import count_error

logger = logging.getLogger(__name__)
# No proxy may keep a part back until the answer is complete.
_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class _EventResponse(StreamingResponse):
    """A stream that does not wait for a disconnection itself: the guard of requests does, and cancels the route."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the stream."""
        await self.stream_response(send)


async def build_event_response(events: AsyncGenerator[dict[str, Any]]) -> Response:
    """Return a stream of events that ends with [DONE].

    The first event is awaited, so that an error before it has a status of its own. A later error is an event.

    Args:
        events: Contents of the events, at least one.

    Raises:
        SeodangError: Of the first event.
    """
    first = await anext(events)
    return _EventResponse(_send(first, events), media_type="text/event-stream", headers=_HEADERS)


async def _send(first: dict[str, Any], events: AsyncGenerator[dict[str, Any]]) -> AsyncGenerator[bytes]:
    try:
        yield format_event(first)
        async for content in events:
            yield format_event(content)
    except Exception as error:  # the status is sent; the client must learn of every failure
        if isinstance(error, ApiError):
            failure = error
        else:
            logger.error("stream failed", extra={"fields": describe_failure(error)})
            failure = build_server_error()
        count_error(failure.status, failure.code)
        yield format_event(failure.content)
    finally:
        await events.aclose()
    yield END_EVENT
