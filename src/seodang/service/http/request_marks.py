"""What the route of a request may know of its header: the name of its key, and whether it is a probe."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from starlette.datastructures import Headers

PROBE_HEADER: Final = "X-Seodang-Probe"
"""`1`: a canary asks for its comparison; the answers are counted as usual, and apart, too."""
key_name: ContextVar[str | None] = ContextVar("key_name", default=None)
is_probe: ContextVar[bool] = ContextVar("is_probe", default=False)


def mark_request(headers: Headers, key: str | None) -> None:
    """Set both values for what runs in the context of the request.

    Args:
        headers: Of the request.
        key: Name of its key; None where the service has no keys.
    """
    key_name.set(key)
    is_probe.set(headers.get(PROBE_HEADER, "") == "1")
