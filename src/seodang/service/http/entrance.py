"""What the server does with every request before an application sees it.

BentoML answers some paths itself, such as probes, and takes the others to the application. Both parts of the server
read the same target, and all answers have an id.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seodang.service.http.api_error import ApiError
from seodang.service.http.request_checks import check_header, choose_request_id, hide_path, normalize_target


class Entrance:
    """Passes requests on with a normalized target, and completes the header of the answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "x-request-id" not in headers:  # BentoML's answer
                    headers["X-Request-Id"] = choose_request_id(Headers(scope=scope))
                    headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._app(_hide_from_bentoml(normalize_target(scope)), receive, send_with_id)


def _hide_from_bentoml(scope: Scope) -> Scope:
    """Return a scope without its path if the header is refused: BentoML's own routes would answer it, ours do not."""
    try:
        check_header(scope)
    except ApiError:
        return hide_path(scope)
    return scope
