"""Serve an engine that never ends its answers, under uvicorn alone. Run: python run_endless_app.py FOLDER HOST PORT."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import uvicorn

from seodang.inference.engine.contract import EngineStatus, QueueFull, TokenRequest, TokenStep
from seodang.service.context import ServiceContext
from seodang.service.model.loading import check_packaged_model
from seodang.service.model.served_model import ServedModel
from seodang.service.telemetry.json_log import set_up_json_log
from seodang.service.web_app import create_app

_TOKEN = 20
_STEP_SECONDS = 0.05


class EndlessEngine:
    """Continues every prompt with the same token, up to the limit of the request."""

    context_length = None

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    async def submit(self, request: TokenRequest) -> AsyncGenerator[TokenStep]:
        if self._closed.is_set():
            raise QueueFull
        for number in range(1, request.options.max_new_tokens + 1):
            await asyncio.sleep(_STEP_SECONDS)
            if self._closed.is_set():
                yield TokenStep(None, None, "cancelled")
                return
            yield TokenStep(_TOKEN, None, "length" if number == request.options.max_new_tokens else None)

    def get_failure(self) -> None:
        return None

    def get_status(self) -> EngineStatus:
        return EngineStatus(0, 0, 0, 0, 0)

    async def close(self, timeout: float) -> None:
        self._closed.set()


if __name__ == "__main__":
    set_up_json_log()
    manifest, tokenizer = check_packaged_model(Path(sys.argv[1]))
    model = ServedModel(tokenizer, manifest.model_copy(update={"max_new_tokens": 100_000}), None, "tiny:0123456789ab")
    app = create_app(ServiceContext(model, EndlessEngine()))
    uvicorn.run(app, host=sys.argv[2], port=int(sys.argv[3]), log_level="warning")
