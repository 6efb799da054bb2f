"""A packaged model in this process, with the engine and the prompts of the service."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Generator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from seodang.cli.chat_models import ChatOptions, ChatPart, Message
from seodang.errors import ArtifactError
from seodang.i18n import _
from seodang.inference.engine.contract import TokenRequest
from seodang.io.jsonl import read_json
from seodang.packaging.model_folder import MANIFEST_NAME
from seodang.paths import Paths
from seodang.service.answers.answering import AnswerRequest, stream_answer
from seodang.service.answers.sampling import build_sampling_options
from seodang.service.context import ServiceContext, build_rules
from seodang.service.model.loading import load_context
from seodang.service.model.model_sources import ModelSources
from seodang.service.routes.openai_requests import ChatRequest, build_conversation

_CLOSE_SECONDS = 5.0


def load_local_model(paths: Paths, folder: Path | None) -> LocalModel:
    """Return a packaged model.

    Args:
        paths: Of the project.
        folder: Of the model; None: the one that the project packaged last.

    Raises:
        ArtifactError: If there is none.
        ModelError: If it is damaged, or this code renders other prompts.
    """
    chosen = paths.merged_model if folder is None else folder
    if not (chosen / MANIFEST_NAME).exists():
        raise ArtifactError(
            _(
                "there is no packaged model in {folder}; package one (make run), name its folder (--folder), or ask a"
                " service (--url)",
                folder=paths.merged_model.relative_to(paths.root) if folder is None else folder,
            )
        )
    tag = chosen.name
    if folder is None and paths.package_report.exists():
        tag = str(read_json(paths.package_report)["model_tag"])
    return LocalModel(load_context(chosen, tag, sources=ModelSources()))


class LocalModel:
    """Runs the service's engine; its event loop has a thread of its own, so that Ctrl-C reaches the terminal's loop."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        self.name = context.model.tag
        self.keeps_turns = context.model.manifest.prompt.format == "chat"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="seodang-chat", daemon=True)
        self._thread.start()

    def answer(self, messages: Sequence[Message], options: ChatOptions) -> Generator[ChatPart]:
        """Yield the answer as it is computed; see ChatModel.answer()."""
        request = self._build_request(messages, options)
        parts: queue.SimpleQueue[ChatPart | Exception | None] = queue.SimpleQueue()
        future = asyncio.run_coroutine_threadsafe(self._pass_on(request, parts), self._loop)
        try:
            while (part := parts.get()) is not None:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            future.cancel()

    def close(self) -> None:
        """Stop the engine and its loop."""
        asyncio.run_coroutine_threadsafe(self._context.engine.close(0), self._loop).result(_CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_SECONDS)

    async def _pass_on(self, request: AnswerRequest, parts: queue.SimpleQueue[Any]) -> None:
        try:
            async with aclosing(stream_answer(self._context.engine, self._context.model, request)) as answer:
                async for part in answer:
                    parts.put(ChatPart(part.text, part.finish_reason == "length"))
            parts.put(None)
        except Exception as error:
            parts.put(error)

    def _build_request(self, messages: Sequence[Message], options: ChatOptions) -> AnswerRequest:
        model = self._context.model
        body = ChatRequest.model_validate({"messages": list(messages), **options.to_json()})
        prompt = model.encode_conversation(build_conversation(body.messages))
        limit = model.limit_new_tokens(body.max_tokens, len(prompt), "max_tokens")
        sampling = build_sampling_options(
            body,
            max_new_tokens=limit,
            top_logprobs=None,
            choice=0,
            vocabulary_size=model.vocabulary_size,
            frequency_penalty=model.manifest.frequency_penalty,
        )
        return AnswerRequest(TokenRequest(tuple(prompt), sampling), build_rules(None, is_trimmed=True))
