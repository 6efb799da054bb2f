"""POST /v1/chat/completions."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from seodang.i18n import _
from seodang.inference.engine.contract import TokenRequest
from seodang.service.answers.answering import AnswerRequest, compute_answers, stream_answers
from seodang.service.answers.forms import AnswerForm, find_form
from seodang.service.answers.guides import compile_form
from seodang.service.answers.logprob_formats import format_chat_logprobs
from seodang.service.answers.reader import AnswerPart
from seodang.service.answers.sampling import build_sampling_options
from seodang.service.context import ServiceContext, build_rules, get_context, read_body
from seodang.service.http.api_error import reject_field
from seodang.service.http.event_stream import build_event_response
from seodang.service.http.json_response import Utf8JSONResponse
from seodang.service.routes.feedback import create_answer_id
from seodang.service.routes.openai_requests import ChatRequest, build_conversation, find_limit
from seodang.service.routes.request_fields import StreamOptions, check_sampling
from seodang.service.routes.unsupported_fields import CHAT_FIELDS, Neutral
from seodang.service.routes.usage import build_chunk_usage, build_usage
from seodang.service.tools.deltas import AnswerDeltas, join_deltas
from seodang.service.tools.prompts import ToolPlan


async def complete_chat(request: Request) -> Response:
    """Answer a conversation."""
    body = await read_body(request, ChatRequest)
    context = get_context(request).select_model(body.model)
    check_sampling(body, _list_unsupported(body))
    if body.top_logprobs and not body.logprobs:  # clients whose numbers cannot be unset send 0
        raise reject_field("top_logprobs", _("needs logprobs: true"))
    form = find_form(body)
    plan = context.tools.plan(body, form)
    answers, prompt_tokens = await _build_answer_requests(context, body, form, plan)
    id = create_answer_id(request, "chatcmpl", context.model.name)
    chat = _Chat(context, body, prompt_tokens, plan, id)
    if body.stream:
        return await build_event_response(chat.stream(answers))
    parts = await compute_answers(context.engine, context.model, answers)
    return Utf8JSONResponse(chat.format_answer(parts))


def _list_unsupported(body: ChatRequest) -> dict[str, Neutral]:
    """Return the fields without support: a last message of the assistant is always continued, and no other one is."""
    is_continued = body.messages[-1].role == "assistant"
    return {**CHAT_FIELDS, "continue_final_message": (is_continued,), "add_generation_prompt": (not is_continued,)}


async def _build_answer_requests(
    context: ServiceContext, body: ChatRequest, form: AnswerForm | None, plan: ToolPlan | None
) -> tuple[list[AnswerRequest], int]:
    model = context.model
    if plan is None:
        prompt, prefill = _encode_messages(context, body, form)
    else:
        prompt, prefill, form = plan.prompt, "", plan.form
    field, limit = find_limit(body)
    max_new_tokens = model.limit_new_tokens(limit, len(prompt), field)
    if limit is not None:
        model.check_context(len(prompt) + limit, "messages")
    rules = build_rules(body.stop, is_trimmed=not prefill, continued=prompt if prefill else None)
    guide = await compile_form(context.guides, form, model.answer_prefix)
    answers = []
    for choice in range(body.n or 1):
        options = build_sampling_options(
            body,
            max_new_tokens=max_new_tokens,
            top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
            choice=choice,
            vocabulary_size=model.vocabulary_size,
            frequency_penalty=model.manifest.frequency_penalty,
            guide=guide,
        )
        answers.append(AnswerRequest(TokenRequest(tuple(prompt), options), rules, form))
    return answers, len(prompt)


def _encode_messages(context: ServiceContext, body: ChatRequest, form: AnswerForm | None) -> tuple[list[int], str]:
    """Return the prompt of a conversation without tools, and the beginning of its answer."""
    conversation = build_conversation(body.messages)
    if form is not None and conversation.prefill:
        raise reject_field(form.field, _("an answer that the last message begins cannot have a form"))
    return context.model.encode_conversation(conversation), conversation.prefill


class _Chat:
    """Formats the answers to one conversation."""

    def __init__(
        self, context: ServiceContext, body: ChatRequest, prompt_tokens: int, plan: ToolPlan | None, id: str
    ) -> None:
        self._context = context
        self._plan = plan
        self._has_logprobs = bool(body.logprobs)
        self._stream_options = body.stream_options or StreamOptions()
        self._prompt_tokens = prompt_tokens
        self._completion_tokens: dict[int, int] = {}
        self._frame = {
            "id": id,
            "created": int(time.time()),
            "model": context.model.tag,
            "system_fingerprint": context.version,
        }

    def format_answer(self, answers: Sequence[AnswerPart]) -> dict[str, Any]:
        """Return the body of a complete answer."""
        choices = [self._format_choice(index, answer) for index, answer in enumerate(answers)]
        usage = build_usage(self._prompt_tokens, sum(answer.completion_tokens for answer in answers))
        return {**self._frame, "object": "chat.completion", "choices": choices, "usage": usage}

    def _format_choice(self, index: int, answer: AnswerPart) -> dict[str, Any]:
        deltas = AnswerDeltas(self._plan)
        message = join_deltas(list(deltas.read(answer)))
        return {
            "index": index,
            "message": {"role": "assistant", **message, "refusal": None},
            "logprobs": self._format_logprobs(answer),
            "finish_reason": deltas.get_finish_reason(answer),
        }

    async def stream(self, requests: Sequence[AnswerRequest]) -> AsyncGenerator[dict[str, Any]]:
        """Yield the chunks of the answers; the first one of each has the role."""
        started: dict[int, AnswerDeltas] = {}
        completion_tokens = self._completion_tokens = dict.fromkeys(range(len(requests)), 0)
        async with aclosing(stream_answers(self._context.engine, self._context.model, requests)) as parts:
            async for index, part in parts:
                completion_tokens[index] = part.completion_tokens
                if index not in started:
                    started[index] = AnswerDeltas(self._plan)
                    yield self._format_chunk(index, {"role": "assistant", "content": ""})
                deltas = list(started[index].read(part))
                if not deltas and part.tokens and self._has_logprobs:
                    deltas = [{"content": ""}]
                for number, delta in enumerate(deltas):
                    yield self._format_chunk(index, delta, None if number else self._format_logprobs(part))
                if part.finish_reason is not None:
                    reason = started[index].get_finish_reason(part)
                    yield self._format_chunk(index, {}, finish_reason=reason)
        if self._stream_options.include_usage:
            usage = build_usage(self._prompt_tokens, sum(completion_tokens.values()))
            yield {**self._frame, "object": "chat.completion.chunk", "choices": [], "usage": usage}

    def _format_chunk(
        self,
        index: int,
        delta: dict[str, Any],
        logprobs: dict[str, Any] | None = None,
        finish_reason: str | None = None,
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        usage = build_chunk_usage(self._stream_options, self._prompt_tokens, self._completion_tokens[index])
        return {**self._frame, "object": "chat.completion.chunk", "choices": [choice], **usage}

    def _format_logprobs(self, part: AnswerPart) -> dict[str, Any] | None:
        return format_chat_logprobs(part.tokens, self._context.texts) if self._has_logprobs else None
