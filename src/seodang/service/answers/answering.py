"""Answers of the engine as parts of text: one, or several at the same time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final, Protocol

from seodang.inference.engine.contract import Engine, EngineStopped, GuideFailed, QueueFull, TokenRequest
from seodang.service.answers.detokenizer import Decoder
from seodang.service.answers.form_check import FormCheck
from seodang.service.answers.forms import AnswerForm
from seodang.service.answers.guides import reject_form
from seodang.service.answers.reader import AnswerPart, AnswerReader, TextRules, join_parts
from seodang.service.http.api_error import build_busy_error, build_closing_error, build_stopped_error
from seodang.service.telemetry.metered_steps import MeteredSteps

# Answers of one request at the same time, of the 64 that the engine computes: 48 give 1.3 times the tokens per second
# of 16 (benchmarks/README.md). While other requests wait, a request starts none beyond 16.
_MAX_CONCURRENT: Final = 48
_FAIR_CONCURRENT: Final = 16
# Tokens of a stream that come faster are sent together: writing and reading an event takes 0.2 times as long as a step
# of a small model. 40 events per second still read as flowing text, and 16 clients get a seventh more tokens than with
# 10 ms (docs/results.md).
_STREAM_SECONDS: Final = 0.025


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """An answer to be computed."""

    tokens: TokenRequest
    rules: TextRules
    form: AnswerForm | None = None
    """That the request gives the answer."""


class NamedDecoder(Decoder, Protocol):
    """A served model, as far as answers need it."""

    @property
    def name(self) -> str:
        """Name for metrics."""
        ...

    @property
    def tag(self) -> str:
        """Name with the version."""
        ...


async def stream_answer(engine: Engine, decoder: NamedDecoder, request: AnswerRequest) -> AsyncGenerator[AnswerPart]:
    """Yield the parts of an answer; the last one has a finish reason. Whoever stops reading frees the engine's slot.

    Raises:
        ApiError: If the queue is full, the service or the engine stops, or the answer's form is too complex.
        SeodangError: If the model fails.
    """
    reader = AnswerReader(decoder, request.rules)
    request = _delay_steps(request, max(request.tokens.max_delay, _STREAM_SECONDS))
    try:
        steps = MeteredSteps(engine.submit(request.tokens), request.tokens, decoder.name, decoder.tag)
    except QueueFull as error:
        raise build_busy_error() from error
    except EngineStopped as error:
        raise build_stopped_error(error) from error
    waiting: list[AnswerPart] = []
    check = FormCheck(request.form, steps)
    try:
        async for step in steps:
            if step.finish_reason == "cancelled":
                break
            part = reader.read(step)
            steps.finish_reason = part.finish_reason
            waiting.append(part)
            if part.finish_reason is None and steps.has_step():
                continue
            part = join_parts(waiting)
            waiting.clear()
            check.read(part)
            if part.text or part.tokens or part.finish_reason or part.prompt_logprobs is not None:
                yield part
            if part.finish_reason is not None:
                return
    except QueueFull as error:
        raise build_busy_error() from error
    except EngineStopped as error:
        raise build_stopped_error(error) from error
    except GuideFailed as error:
        raise reject_form(request.form.field if request.form else None, error) from error
    finally:
        await steps.aclose()
    raise build_closing_error()


async def stream_answers(
    engine: Engine, decoder: NamedDecoder, requests: Sequence[AnswerRequest]
) -> AsyncGenerator[tuple[int, AnswerPart]]:
    """Yield the parts of several answers as they come, each with the index of its request.

    The first error ends all answers.
    """
    if len(requests) == 1:  # the usual case needs neither a task nor a queue
        async with aclosing(stream_answer(engine, decoder, requests[0])) as parts:
            async for part in parts:
                yield 0, part
        return
    queue: asyncio.Queue[tuple[int, AnswerPart] | Exception | None] = asyncio.Queue()

    async def run(index: int) -> None:
        try:
            async with aclosing(stream_answer(engine, decoder, requests[index])) as parts:
                async for part in parts:
                    queue.put_nowait((index, part))
            queue.put_nowait(None)
        except Exception as error:
            queue.put_nowait(error)

    tasks: list[asyncio.Task[None]] = []
    finished = 0
    try:
        while finished < len(requests):
            if len(tasks) < len(requests):
                limit = _FAIR_CONCURRENT if engine.get_status().waiting else _MAX_CONCURRENT
                while len(tasks) < min(finished + limit, len(requests)):
                    tasks.append(asyncio.create_task(run(len(tasks))))
            item = await queue.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                finished += 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()


def _delay_steps(request: AnswerRequest, max_delay: float) -> AnswerRequest:
    """Return a request whose steps may come together, unless a text can end the answer, which only its reader sees."""
    if request.rules.stops:
        return request
    return replace(request, tokens=replace(request.tokens, max_delay=max_delay))


async def compute_answers(engine: Engine, decoder: NamedDecoder, requests: Sequence[AnswerRequest]) -> list[AnswerPart]:
    """Return the complete answers, in the order of their requests."""
    requests = [_delay_steps(request, math.inf) for request in requests]
    parts: list[list[AnswerPart]] = [[] for _ in requests]
    async with aclosing(stream_answers(engine, decoder, requests)) as items:
        async for index, part in items:
            parts[index].append(part)
    return [join_parts(answer) for answer in parts]
