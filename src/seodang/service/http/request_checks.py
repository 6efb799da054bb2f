"""Refuse requests by their header: hosts of other sites, contradictory fields, and encodings that nothing reads."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping
from itertools import chain
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from seodang.i18n import _
from seodang.service.http.api_error import ApiError
from seodang.service.http.api_keys import is_loopback

VARIABLE: Final = "SEODANG_ALLOWED_HOSTS"
_MAX_FIELDS: Final = 100
_MAX_BYTES: Final = 32 * 2**10
"""Of all fields; uvicorn has a bound for a header that arrives in parts, and none for one that arrives at once."""
_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_UNKNOWN: Final = "/*"
_HIDDEN: Final = frozenset({"/schema.json"})
"""BentoML's description of its own endpoints, which needs no key; the service has none of them."""
_SINGLE: Final = ("host", "content-length", "content-type", "transfer-encoding", "authorization", "x-request-id")


def normalize_target(scope: Scope) -> Scope:
    """Return the scope of a request with a path that is one: it begins with a slash and has no control character.

    A target may be a complete address, which RFC 9112, 3.2.2 asks servers to accept; its host takes the place of the
    field Host. Any other target, such as `*`, becomes a path that no route has. So does one with a line break, which
    would match the route before it.
    """
    if not scope["path"].isprintable():  # urlsplit would leave line breaks out
        return hide_path(scope)
    if scope["path"].lower().startswith(("http://", "https://")):
        scope = _read_address(scope, scope["path"])
    path = scope["path"]
    return scope if path.startswith("/") and path not in _HIDDEN else hide_path(scope)


def hide_path(scope: Scope) -> Scope:
    """Return the scope of a request with a path that no route has; BentoML passes it to its mounted application."""
    return _set_path(scope, _UNKNOWN)


def _read_address(scope: Scope, target: str) -> Scope:
    try:
        parts = urlsplit(target)
    except ValueError:
        return scope
    fields = [(name, value) for name, value in scope["headers"] if name != b"host"]
    host = parts.netloc.rpartition("@")[2].encode("latin-1", "replace")
    return _set_path({**scope, "headers": [*fields, (b"host", host)]}, parts.path or "/")


def _set_path(scope: Scope, path: str) -> Scope:
    return {**scope, "path": path, "raw_path": path.encode()}


def choose_request_id(headers: Headers) -> str:
    """Return the id of a request: its X-Request-Id, if that is short and plain, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def check_header(scope: Scope) -> None:
    """Raise an error if fields are too large or contradict each other, or the body has an encoding.

    Two proxies may read a contradictory request as two different ones.

    Raises:
        ApiError: With the status 400.
    """
    headers = Headers(scope=scope)
    if len(scope["headers"]) > _MAX_FIELDS or sum(map(len, chain.from_iterable(scope["headers"]))) > _MAX_BYTES:
        raise ApiError(400, _("the header of the request is too large"), code="header_too_large")
    for name in _SINGLE:
        if len(headers.getlist(name)) > 1:
            raise ApiError(400, _("the request has the field {name} more than once", name=name), code="invalid_header")
    if "content-length" in headers and "transfer-encoding" in headers:
        message = _("the request has both {first} and {second}", first="content-length", second="transfer-encoding")
        raise ApiError(400, message, code="invalid_header")
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise ApiError(400, _("send the body without Content-Encoding"), code="unsupported_encoding")


class AllowedHosts:
    """Names under which the service may be asked.

    Without keys a page of another site could rebind its own name to this machine and use the service through a
    visitor's browser; the field Host then has the name of that site. With keys the browser has no key.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Read SEODANG_ALLOWED_HOSTS: names separated by commas, beside the loopback ones; `*` allows any."""
        environment = os.environ if environment is None else environment
        names = environment.get(VARIABLE, "").split(",")
        self._names = frozenset(name.strip().lower() for name in names if name.strip())

    def check(self, scope: Scope, *, has_keys: bool) -> None:
        """Raise an error if a request names another host.

        Args:
            scope: Of the request.
            has_keys: Whether the service has keys; then only hosts that were set are checked.

        Raises:
            ApiError: With the status 403.
        """
        host = Headers(scope=scope).get("host")
        if host is None or "*" in self._names or (has_keys and not self._names):  # HTTP/1.0 has no Host; browsers do
            return
        name = _split_host(host)
        if not (is_loopback(name) or name.endswith(".localhost") or name in self._names):
            raise ApiError(
                403,
                _("this host name is not allowed; list it in {variable}", variable=VARIABLE),
                code="host_not_allowed",
            )


def _split_host(host: str) -> str:
    """Return the name of a Host field in lower case, without port, brackets and the dot at the end."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].removesuffix(".")
