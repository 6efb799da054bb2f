"""End the process of the service at once."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import NoReturn

logger = logging.getLogger(__name__)


def stop_process(message: str) -> NoReturn:
    """Log one line and end the process with exit code 1; an exception would become the traceback of its server."""
    with contextlib.suppress(OSError):  # the disk of the log may be full
        logger.critical(message)
        sys.stderr.flush()
    os._exit(1)
