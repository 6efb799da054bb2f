"""The errors of the HTTP application, in the shape that OpenAI's clients read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from seodang.config.validation_errors import describe_rule
from seodang.errors import SeodangError
from seodang.i18n import _, get_language
from seodang.inference.engine.contract import EngineStopped
from seodang.service.http.json_response import Utf8JSONResponse
from seodang.service.telemetry.metrics import count_error

RETRY_SECONDS: Final = 1
MAX_MESSAGE: Final = 500  # characters; a message must not send a whole request back
UNION_TAG: Final = "<union>"
"""Begins the name of a type in a union, which is no part of a field's place."""
_MAX_PARAM: Final = 100
_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
_RETRIED: Final = frozenset({429, 503})


class _ErrorResponse(Utf8JSONResponse):
    """An answer that is counted when it is sent."""

    def __init__(self, content: Any, status: int, headers: dict[str, str], *, code: str | None) -> None:
        super().__init__(content, status, headers)
        self._code = code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        count_error(self.status_code, self._code)
        await super().__call__(scope, receive, send)


class ApiError(SeodangError):
    """An answer that is no success: a status of HTTP, a message, and the field that causes it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_seconds: int = RETRY_SECONDS,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds
        """Value of Retry-After, with the statuses 429 and 503."""
        self.headers = dict(headers or {})
        self.status = status
        self.message = _shorten(message, MAX_MESSAGE)
        self.param = None if param is None else _shorten(param, _MAX_PARAM)
        self.code = code

    @property
    def content(self) -> dict[str, Any]:
        """Return the body of the answer."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def build_response(self) -> Response:
        """Return the answer; only a failure that a retry may cure has `Retry-After`."""
        headers = dict(self.headers)
        if self.status in _RETRIED:
            headers["Retry-After"] = str(self.retry_seconds)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return _ErrorResponse(self.content, self.status, headers, code=self.code)


def reject_field(param: str, message: str, code: str = "invalid_value") -> ApiError:
    """Return the error of a field that its sender can correct."""
    return ApiError(400, message, param=param, code=code)


def build_unsupported_error(param: str) -> ApiError:
    """Return the error of a field of OpenAI's interface that this service does not have."""
    return reject_field(param, _("{field} is not supported by this model", field=param), "unsupported_parameter")


def build_validation_error(error: ValidationError) -> ApiError:
    """Return the first error of a request's fields; the value is not repeated."""
    first = error.errors(include_url=False, include_input=False)[0]
    param = ".".join(str(part) for part in first["loc"] if not str(part).startswith(UNION_TAG)) or None
    rule = first["msg"] if get_language() == "en" else describe_rule(first)  # pydantic has English messages only
    message = rule if param is None else f"{_shorten(param, _MAX_PARAM)}: {rule}"
    return ApiError(
        400, message, param=param, code="invalid_json" if first["type"] == "json_invalid" else "invalid_value"
    )


def build_server_error() -> ApiError:
    """Return the error of a failure of the service; its cause stands in the log."""
    return ApiError(500, _("the service failed; its log names the cause"), code="internal_error")


def build_unknown_route_error() -> ApiError:
    """Return the error of a path that no route has."""
    return ApiError(404, _("there is no such route; GET /docs.json lists them"), code="not_found")


def build_busy_error() -> ApiError:
    """Return the error of a full queue."""
    return ApiError(429, _("the service is busy; send the request again later"), code="queue_full")


def build_closing_error() -> ApiError:
    """Return the error of a service that stops."""
    return ApiError(503, _("the service is stopping; send the request again later"), code="stopping")


def build_stopped_error(failure: EngineStopped) -> ApiError:
    """Return the error of a service whose engine has ended by itself; its supervisor starts it again."""
    return ApiError(503, _("{reason}; the service must start again", reason=failure), code="engine_stopped")


def _shorten(text: str, limit: int) -> str:
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
