"""JSON answers with readable Hangul, and events of a stream."""

from __future__ import annotations

import json
from typing import Any, Final

from starlette.responses import JSONResponse

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Utf8JSONResponse(JSONResponse):
    """A JSON answer whose Hangul is UTF-8; a number that is not finite is an error."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return dump_json(content)


def dump_json(content: Any) -> bytes:
    """Return compact JSON in UTF-8."""
    return _ENCODER.encode(content).encode()


def format_event(content: Any) -> bytes:
    """Return one event of a stream."""
    return b"data: " + dump_json(content) + b"\n\n"


END_EVENT = b"data: [DONE]\n\n"
