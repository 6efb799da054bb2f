"""Applications over engines of tests: a scripted one, and the tiny packaged model."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pytest
import uvicorn
from starlette.testclient import TestClient

from seodang.inference.engine.contract import EngineStatus, QueueFull, TokenLogprob, TokenRequest, TokenStep
from seodang.service.context import ServiceContext
from seodang.service.http.api_keys import ApiKeys
from seodang.service.http.protocol import BoundedProtocol
from seodang.service.http.request_guard import RequestLimits
from seodang.service.model.loading import load_context
from seodang.service.web_app import create_app

Item = int | Exception


@dataclass
class ScriptedEngine:
    """Answers each request with the same tokens; the token -1 waits until the iterator is closed."""

    script: Sequence[Item] = ()
    end_id: int = 0
    is_full: bool = False
    context_length: int | None = None
    requests: list[TokenRequest] = field(default_factory=list)
    closed: int = 0
    running: int = 0

    async def submit(self, request: TokenRequest) -> AsyncGenerator[TokenStep]:
        if self.is_full:
            raise QueueFull
        self.requests.append(request)
        self.running += 1
        try:
            prompt = self._score(request) if request.prompt_logprobs is not None else None
            if request.options.max_new_tokens == 0:
                yield TokenStep(None, None, "length", prompt)
                return
            for count, item in enumerate(self.script, start=1):
                await asyncio.sleep(0)
                if isinstance(item, Exception):
                    raise item
                if item == -1:
                    await asyncio.Event().wait()
                is_last = count == request.options.max_new_tokens
                yield TokenStep(item, self._build(request, item), "length" if is_last else None, prompt)
                prompt = None
                if is_last:
                    return
            yield TokenStep(self.end_id, self._build(request, self.end_id), "stop", prompt)
        finally:
            self.running -= 1
            self.closed += 1

    def _build(self, request: TokenRequest, token: int) -> TokenLogprob | None:
        count = request.options.top_logprobs
        return None if count is None else TokenLogprob(-0.5, tuple((token + n, -0.5 - n) for n in range(count)))

    def _score(self, request: TokenRequest) -> tuple[TokenLogprob | None, ...]:
        count = request.prompt_logprobs or 0
        return (None, *(TokenLogprob(-1.0, tuple((t, -1.0) for _ in range(count))) for t in request.prompt[1:]))

    def get_failure(self) -> None:
        return None

    def get_status(self) -> EngineStatus:
        return EngineStatus(self.running, 0, 0, 0, 0)

    async def close(self, timeout: float) -> None:
        pass


class BuildClient(Protocol):
    """Builds a client of an application."""

    def __call__(self, context: ServiceContext, keys: str = "", limits: RequestLimits | None = None) -> TestClient: ...


@pytest.fixture(scope="session")
def served(packaged_model: Path) -> ServiceContext:
    """The tiny packaged model and its engine."""
    return load_context(packaged_model, "tiny:0123456789ab", "tiny:bento")


@pytest.fixture(scope="session")
def served_chat(make_packaged_model: Any, tmp_path_factory: pytest.TempPathFactory) -> ServiceContext:
    """The tiny packaged model in the chat format."""
    folder = make_packaged_model(tmp_path_factory.mktemp("chat") / "model", format="chat")
    return load_context(folder, "tiny:0123456789ab")


@pytest.fixture(scope="session")
def build_client() -> BuildClient:
    def build_client(context: ServiceContext, keys: str = "", limits: RequestLimits | None = None) -> TestClient:
        app = create_app(context, "<p>", keys=ApiKeys({"SEODANG_API_KEYS": keys}), limits=limits)
        return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)

    return build_client


@pytest.fixture(scope="session")
def client(served: ServiceContext, build_client: BuildClient) -> Iterator[TestClient]:
    """A client of the tiny model."""
    with build_client(served) as client:
        yield client


class LongClient(TestClient):
    """A client that knows the context of its application."""

    context: ServiceContext


@pytest.fixture(scope="session")
def long_client(make_packaged_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LongClient]:
    """A client of the tiny model that writes up to 90 tokens."""
    folder = make_packaged_model(tmp_path_factory.mktemp("long") / "model", max_new_tokens=90)
    context = load_context(folder, "tiny:0123456789ab")
    app = create_app(context, "<p>", keys=ApiKeys({}))
    with LongClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        client.context = context
        yield client


@pytest.fixture
def script(served: ServiceContext, build_client: BuildClient) -> Callable[..., tuple[TestClient, ScriptedEngine]]:
    """Builds a client of an engine that answers with the tokens of a text, or with given items."""

    def script(answer: str | Sequence[Item], **options: Any) -> tuple[TestClient, ScriptedEngine]:
        items = served.model.encoder.encode_text(answer) if isinstance(answer, str) else answer
        engine = ScriptedEngine(items, served.model.manifest.end_id, **options)
        model = replace(served.model, manifest=served.model.manifest.model_copy(update={"max_new_tokens": 100}))
        return build_client(ServiceContext(model, engine)), engine

    return script


class ServeApp(Protocol):
    """Serves an application with uvicorn in a thread until the context ends; returns the port."""

    def __call__(self, app: Any, **bounds: float) -> AbstractContextManager[int]: ...


@pytest.fixture(scope="session")
def serve_app() -> ServeApp:
    return _serve_app


@contextmanager
def _serve_app(app: Any, **bounds: float) -> Iterator[int]:
    protocol = type("Protocol", (BoundedProtocol,), bounds)
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=protocol, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def read_events() -> Callable[[str], list[Any]]:
    """Reads the events of a stream; the last one is the text [DONE]."""

    def read_events(text: str) -> list[Any]:
        assert text.endswith("\n\n")
        lines = text.removesuffix("\n\n").split("\n\n")
        assert all(line.startswith("data: ") for line in lines)
        contents = [line.removeprefix("data: ") for line in lines]
        return [content if content == "[DONE]" else json.loads(content) for content in contents]

    return read_events
