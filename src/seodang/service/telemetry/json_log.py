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
        if record.exc_info and record.exc_info[1] is not None:
            content |= describe_failure(record.exc_info[1])
        return json.dumps(content | getattr(record, "fields", {}))


def set_up_json_log() -> None:
    """Write the log to stderr, also what BentoML, uvicorn and other libraries log; a second call finds new loggers.

    A library's own handler of the terminal would write its lines as plain text between those of the service.
    """
    root = logging.getLogger()
    loggers = [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    for logger in [root, *loggers]:
        own = [handler for handler in logger.handlers if _is_plain(handler)]
        for handler in own:
            logger.removeHandler(handler)
        if own:
            logger.propagate = True
    if not any(isinstance(handler.formatter, JsonFormatter) for handler in root.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
        root.addHandler(handler)
    logging.getLogger(_ROOT).setLevel(logging.INFO)
    logging.captureWarnings(True)


def _is_plain(handler: logging.Handler) -> bool:
    """Return whether a handler writes to the terminal, in a form of its own; handlers of tests are subclasses."""
    return type(handler) is logging.StreamHandler and not isinstance(handler.formatter, JsonFormatter)


def describe_failure(error: BaseException) -> dict[str, Any]:
    """Return class and place of an error; its message may hold a prompt."""
    frames = traceback.extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "trace": [f"{frame.name}:{frame.lineno}" for frame in frames][-12:]}
