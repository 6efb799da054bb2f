"""Serve a packaged model that refuses the first requests. Run: python run_refusing_app.py FOLDER PORT.

A request with the header `X-Test: full-2` or `stopping-2` is refused as by a full queue, or by a service that stops,
until it was sent twice. GET /attempts returns how often requests came with each value of the header.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from seodang.inference.engine.contract import EngineStatus, QueueFull, TokenRequest, TokenStep
from seodang.service.model.loading import load_context
from seodang.service.web_app import create_app


class FullEngine:
    """Refuses every request."""

    context_length: int | None = None

    def submit(self, request: TokenRequest) -> AsyncIterator[TokenStep]:
        raise QueueFull

    def get_failure(self) -> None:
        return None

    def get_status(self) -> EngineStatus:
        return EngineStatus(0, 0, 0, 0, 0)

    async def close(self, timeout: float) -> None:
        pass


class RefusingApp:
    """Passes a request to the application, or to one that refuses it."""

    def __init__(self, app: ASGIApp, refusing: dict[str, ASGIApp]) -> None:
        self._app, self._refusing = app, refusing
        self._attempts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = Headers(scope=scope).get("x-test", "") if scope["type"] == "http" else ""
        self._attempts[name] += bool(name)
        kind, _, count = name.partition("-")
        if scope["type"] == "http" and scope["path"] == "/attempts":
            await JSONResponse(self._attempts)(scope, receive, send)
        elif kind in self._refusing and self._attempts[name] <= int(count):
            await self._refusing[kind](scope, receive, send)
        else:
            await self._app(scope, receive, send)


if __name__ == "__main__":
    context = load_context(Path(sys.argv[1]), "tiny:0123456789ab")
    refusing: dict[str, ASGIApp] = {
        "full": create_app(replace(context, engine=FullEngine())),
        "stopping": create_app(replace(context, is_stopping=True)),
    }
    app = RefusingApp(create_app(context), refusing)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
