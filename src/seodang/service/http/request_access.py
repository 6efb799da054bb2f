"""Who may use the service: clients with a key, and without keys this machine alone."""

from __future__ import annotations

import logging

from starlette.datastructures import Headers
from starlette.types import Scope

from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.service.http.api_error import ApiError, build_server_error
from seodang.service.http.api_keys import ApiKeys, is_loopback
from seodang.service.http.request_checks import AllowedHosts
from seodang.service.telemetry.json_log import describe_failure

logger = logging.getLogger(__name__)


def check_access(scope: Scope, keys: ApiKeys, hosts: AllowedHosts) -> str | None:
    """Return the name of the request's key; None where the service has no keys.

    Args:
        scope: Of the request.
        keys: Of the clients.
        hosts: Names under which the service may be asked.

    Raises:
        ApiError: If the key is unknown, or the host is not allowed.
    """
    try:
        has_keys = bool(keys.load())
    except SeodangError as error:
        logger.error("keys cannot be read", extra={"fields": describe_failure(error)})  # closed, not open
        raise build_server_error() from error
    hosts.check(scope, has_keys=has_keys)
    if not has_keys:
        _check_address(scope)
        return None
    scheme, _blank, key = Headers(scope=scope).get("authorization", "").partition(" ")
    name = keys.find_name(key.strip()) if scheme.lower() == "bearer" else None
    if name is None:
        raise ApiError(401, _("send a valid key: Authorization: Bearer KEY"), code="invalid_api_key")
    return name


def _check_address(scope: Scope) -> None:
    host = (scope.get("server") or ("localhost",))[0]
    if not (is_loopback(host) or host.startswith("/")):  # a path: a socket of this machine
        raise ApiError(
            403, _("without keys the service answers on loopback only; set SEODANG_API_KEYS"), code="no_keys"
        )
