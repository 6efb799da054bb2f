"""End the service when an engine has ended by itself, so that its supervisor starts it again."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from seodang.i18n import _
from seodang.service.context import ServiceContext
from seodang.service.lifecycle.draining import Drain
from seodang.service.lifecycle.health import find_failure
from seodang.service.lifecycle.process_end import stop_process

logger = logging.getLogger(__name__)
_POLL_SECONDS: Final = 0.25
_REFUSING_SECONDS: Final = 5.0
"""Time in which probes and requests still get 503 with the reason, in place of a refused connection."""
_FLUSH_SECONDS: Final = 5.0
"""Time for the last answers."""
_CLOSE_SECONDS: Final = 15.0
"""Time for the engines of other models, and for the other processes of a dead engine, to end."""


async def end_with_engine(context: ServiceContext, drain: Drain) -> None:
    """Wait until an engine has ended by itself, refuse requests for a moment, and end the process with exit code 1.

    A service that is stopping already is left to its drain: nothing waits for the dead engine.

    Args:
        context: Of the application.
        drain: Of its server.
    """
    while (failure := find_failure(context)) is None:
        await asyncio.sleep(_POLL_SECONDS)
    if context.is_stopping:
        return
    logger.critical(str(failure), extra={"fields": {"open_requests": context.open_requests}})
    await asyncio.sleep(_REFUSING_SECONDS)
    await drain.stop_listening()
    await drain.wait_for_requests(_FLUSH_SECONDS)
    try:
        await asyncio.wait_for(context.close(0), _CLOSE_SECONDS)
    except Exception as error:  # nothing may keep the dead engine in service
        logger.error("an engine does not stop", extra={"fields": {"error": type(error).__name__}})
    stop_process(_("the service ends: {reason}", reason=failure))
