"""POST /v1/completions: continue texts as they are, without a template."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from seodang.i18n import _
from seodang.inference.engine.contract import Guide, TokenRequest
from seodang.service.answers.answering import AnswerRequest, compute_answers, stream_answers
from seodang.service.answers.forms import AnswerForm, find_form
from seodang.service.answers.guides import compile_form
from seodang.service.answers.logprob_formats import format_completion_logprobs
from seodang.service.answers.prompt_echo import Echo, build_echo
from seodang.service.answers.reader import AnswerPart
from seodang.service.answers.sampling import build_sampling_options
from seodang.service.context import ServiceContext, build_rules, get_context, read_body
from seodang.service.http.api_error import reject_field
from seodang.service.http.event_stream import build_event_response
from seodang.service.http.json_response import Utf8JSONResponse
from seodang.service.routes.feedback import create_answer_id
from seodang.service.routes.openai_requests import MAX_PROMPTS, CompletionRequest, find_limit
from seodang.service.routes.request_fields import StreamOptions, check_sampling
from seodang.service.routes.unsupported_fields import TEXT_FIELDS
from seodang.service.routes.usage import build_chunk_usage, build_usage

_DEFAULT_TOKENS: Final = 16  # of OpenAI's interface
_MAX_LOGPROBS: Final = 2**20


async def complete_text(request: Request) -> Response:
    """Continue one or more texts."""
    body = await read_body(request, CompletionRequest)
    context = get_context(request).select_model(body.model)
    check_sampling(body, TEXT_FIELDS)
    if body.stream and body.echo and body.logprobs is not None:
        raise reject_field("echo", _("a stream has no log-probabilities of the prompt; leave out stream or echo"))
    prompts = _read_prompts(context, body)
    _check_echo(body, prompts)
    form = find_form(body)
    guide = await compile_form(context.guides, form)
    answers = [
        _build_answer_request(context, body, prompt, choice, form, guide)
        for prompt in prompts
        for choice in range(body.n or 1)
    ]
    completion = _Completion(context, body, prompts, create_answer_id(request, "cmpl", context.model.name))
    if body.stream:
        return await build_event_response(completion.stream(answers))
    parts = await compute_answers(context.engine, context.model, answers)
    return Utf8JSONResponse(completion.format_answer(parts))


def _read_prompts(context: ServiceContext, body: CompletionRequest) -> list[list[int]]:
    """Return the token ids of each prompt."""
    prompt: Any = body.prompt
    if isinstance(prompt, str):
        prompts: list[Any] = [prompt]
    else:
        prompts = [prompt] if prompt and isinstance(prompt[0], int) else prompt
    if not prompts or len(prompts) > MAX_PROMPTS:
        raise reject_field("prompt", _("must be from 1 to {limit} prompts", limit=MAX_PROMPTS))
    return [
        context.model.encode_plain(item) if isinstance(item, str) else _check_ids(context, item) for item in prompts
    ]


def _check_echo(body: CompletionRequest, prompts: Sequence[list[int]]) -> None:
    """Raise an error if the log-probabilities of the prompts would fill the memory: each takes about 60 bytes."""
    if not (body.echo and body.logprobs is not None):
        return
    count = sum(map(len, prompts)) * (body.n or 1) * (1 + body.logprobs)
    if count > _MAX_LOGPROBS:
        raise reject_field(
            "echo",
            _(
                "asks for too many log-probabilities of prompts ({count:,}; the maximum is {limit:,}); send fewer prompts",
                count=count,
                limit=_MAX_LOGPROBS,
            ),
        )


def _check_ids(context: ServiceContext, ids: list[int]) -> list[int]:
    last = context.model.vocabulary_size - 1
    if not ids:
        raise reject_field("prompt", _("a prompt of token ids needs at least one"))
    if max(ids) > last:
        raise reject_field("prompt", _("every token id must be from 0 to {last}", last=last))
    return ids


def _build_answer_request(
    context: ServiceContext,
    body: CompletionRequest,
    prompt: list[int],
    choice: int,
    form: AnswerForm | None,
    guide: Guide | None,
) -> AnswerRequest:
    model = context.model
    model.check_context(len(prompt), "prompt")
    field, limit = find_limit(body)
    default = min(_DEFAULT_TOKENS, model.manifest.max_new_tokens)
    max_new_tokens = model.limit_new_tokens(default if limit is None else limit, len(prompt), field)
    if limit is not None:
        model.check_context(len(prompt) + limit, "prompt")
    options = build_sampling_options(
        body,
        max_new_tokens=max_new_tokens,
        top_logprobs=body.logprobs,
        choice=choice,
        vocabulary_size=model.vocabulary_size,
        frequency_penalty=model.manifest.frequency_penalty,
        guide=guide,
    )
    tokens = TokenRequest(tuple(prompt), options, prompt_logprobs=body.logprobs if body.echo else None)
    rules = build_rules(body.stop, is_trimmed=False, continued=prompt)
    # A harness asks for one token after the prompt and drops the last one, which may be the end token.
    return AnswerRequest(tokens, replace(rules, keeps_end_token=True), form)


class _Completion:
    """Formats the continuations of one request's prompts."""

    def __init__(self, context: ServiceContext, body: CompletionRequest, prompts: Sequence[list[int]], id: str) -> None:
        self._context = context
        self._has_logprobs = body.logprobs is not None
        self._stream_options = body.stream_options or StreamOptions()
        self._prompt_tokens = sum(map(len, prompts))
        choices = body.n or 1
        echoes = [build_echo(context.model, prompt) for prompt in prompts] if body.echo else None
        self._echoes = None if echoes is None else [echo for echo in echoes for _choice in range(choices)]
        self._frame = {
            "id": id,
            "object": "text_completion",
            "created": int(time.time()),
            "model": context.model.tag,
            "system_fingerprint": context.version,
        }

    def format_answer(self, answers: Sequence[AnswerPart]) -> dict[str, Any]:
        """Return the body of a complete answer."""
        usage = build_usage(self._prompt_tokens, sum(answer.completion_tokens for answer in answers))
        choices = [self._format_choice(index, answer, is_first=True) for index, answer in enumerate(answers)]
        return {**self._frame, "choices": choices, "usage": usage}

    async def stream(self, requests: Sequence[AnswerRequest]) -> AsyncGenerator[dict[str, Any]]:
        """Yield the chunks of the answers; with echo the first one of each begins with its prompt."""
        completion_tokens = dict.fromkeys(range(len(requests)), 0)
        started: set[int] = set()
        async with aclosing(stream_answers(self._context.engine, self._context.model, requests)) as parts:
            async for index, part in parts:
                completion_tokens[index] = part.completion_tokens
                choice = self._format_choice(index, part, is_first=index not in started)
                started.add(index)
                usage = build_chunk_usage(
                    self._stream_options, len(requests[index].tokens.prompt), part.completion_tokens
                )
                yield {**self._frame, "choices": [choice], **usage}
        if self._stream_options.include_usage:
            total = build_usage(self._prompt_tokens, sum(completion_tokens.values()))
            yield {**self._frame, "choices": [], "usage": total}

    def _format_choice(self, index: int, part: AnswerPart, *, is_first: bool) -> dict[str, Any]:
        echo = self._echoes[index] if self._echoes is not None else Echo("", (), ())
        return {
            "index": index,
            "text": echo.text + part.text if is_first else part.text,
            "logprobs": self._format_logprobs(echo, part) if self._has_logprobs else None,
            "finish_reason": part.finish_reason,
        }

    def _format_logprobs(self, echo: Echo, part: AnswerPart) -> dict[str, Any]:
        prompt = list(zip(echo.ids, part.prompt_logprobs or (), strict=True)) if echo.ids else []
        answer = [(token.id, token.logprob) for token in part.tokens]
        offsets = [*echo.offsets, *(len(echo.text) + token.start for token in part.tokens)]
        return format_completion_logprobs([*prompt, *answer], offsets, self._context.texts)
