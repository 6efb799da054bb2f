"""The log: one JSON object in a line, with the request's id and without any text of a request."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_ROOT: Final = "seodang"


class JsonFormatter(logging.Formatter):
    """Writes a record as JSON in ASCII, so that no text can forge a line or control a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (id := request_id.get()) is not None:
            content["request_id"] = id
        return json.dumps(content | getattr(record, "fields", {}))


def set_up_json_log() -> None:
    """Write the service's log to stderr; a second call changes nothing."""
    logger = logging.getLogger(_ROOT)
    if any(isinstance(handler.formatter, JsonFormatter) for handler in logger.handlers):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def describe_failure(error: BaseException) -> dict[str, Any]:
    """Return class and place of an error; its message may hold a prompt."""
    frames = traceback.extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "trace": [f"{frame.name}:{frame.lineno}" for frame in frames][-12:]}
