"""POST /generate, /batch and /choose."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from seodang.errors import EvaluationError, ModelError
from seodang.i18n import _
from seodang.inference.choice_requests import check_options
from seodang.inference.engine.contract import Guide, SamplingOptions, TokenRequest
from seodang.service.answers.answering import AnswerRequest, compute_answers, stream_answer
from seodang.service.answers.forms import find_form
from seodang.service.answers.guides import compile_form
from seodang.service.answers.reader import AnswerPart
from seodang.service.answers.sampling import select_frequency_penalty
from seodang.service.context import ServiceContext, build_rules, get_context, read_body
from seodang.service.http.api_error import reject_field
from seodang.service.http.event_stream import build_event_response
from seodang.service.http.json_response import Utf8JSONResponse
from seodang.service.routes.feedback import create_answer_id
from seodang.service.routes.native_requests import (
    BatchAnswer,
    BatchRequest,
    BatchResponse,
    ChooseRequest,
    ChooseResponse,
    GenerateRequest,
    GenerateResponse,
    Instruction,
    Usage,
)


async def generate(request: Request) -> Response:
    """Answer one instruction."""
    body = await read_body(request, GenerateRequest)
    context = get_context(request).select_model(body.model)
    form = find_form(body)
    guide = await compile_form(context.guides, form, context.model.answer_prefix)
    answer = _build_answer_request(context, body, body.max_new_tokens, body.temperature, guide)
    answer = replace(answer, form=form)
    id = create_answer_id(request, "gen", context.model.name)
    if body.stream:
        return await build_event_response(_stream(context, answer, id))
    (part,) = await compute_answers(context.engine, context.model, [answer])
    return _respond(GenerateResponse(**_format_answer(answer, part), id=id, model=context.model.tag))


async def answer_batch(request: Request) -> Response:
    """Answer several instructions."""
    body = await read_body(request, BatchRequest)
    context = get_context(request).select_model(body.model)
    answers = [
        _build_answer_request(context, record, body.max_new_tokens, body.temperature, place=f"records.{index}.")
        for index, record in enumerate(body.records)
    ]
    parts = await compute_answers(context.engine, context.model, answers)
    formatted = [BatchAnswer(**_format_answer(answer, part)) for answer, part in zip(answers, parts, strict=True)]
    return _respond(BatchResponse(answers=formatted, model=context.model.tag))


async def choose(request: Request) -> Response:
    """Choose the most likely one of given answers, as evaluation does."""
    body = await read_body(request, ChooseRequest)
    context = get_context(request).select_model(body.model)
    model = context.model
    prompt = model.encode_request(body.instruction, body.input or "")
    options = [(text, model.encoder.encode_answer(text)) for text in body.options]
    try:
        check_options("request", options)
    except EvaluationError as error:
        raise reject_field("options", _("the options must have different tokens in this tokenizer")) from error
    model.check_context(len(prompt) + max(len(ids) for _text, ids in options), "options")
    nats = await _score_options(context, prompt, [ids for _text, ids in options])
    highest = max(nats)
    total = sum(math.exp(value - highest) for value in nats)
    likelihoods = dict(zip(body.options, nats, strict=True))
    response = ChooseResponse(
        option=body.options[nats.index(highest)],
        probabilities={text: math.exp(value - highest) / total for text, value in likelihoods.items()},
        log_likelihoods=likelihoods,
        usage=Usage(prompt_tokens=len(prompt), completion_tokens=sum(len(ids) for _text, ids in options)),
        model=model.tag,
    )
    return _respond(response)


async def _score_options(context: ServiceContext, prompt: list[int], options: Sequence[list[int]]) -> list[float]:
    """Return the log-likelihood of each option after the prompt, in nats."""
    requests = [
        AnswerRequest(
            TokenRequest((*prompt, *ids), SamplingOptions(max_new_tokens=0), prompt_logprobs=0),
            build_rules(None, is_trimmed=False),
        )
        for ids in options
    ]
    parts = await compute_answers(context.engine, context.model, requests)
    nats = [
        sum(logprob.logprob for logprob in (part.prompt_logprobs or ())[len(prompt) :] if logprob is not None)
        for part in parts
    ]
    if not all(map(math.isfinite, nats)):
        raise ModelError(_("the log-likelihood of an option is not finite; the model's weights are damaged"))
    return nats


def _build_answer_request(
    context: ServiceContext,
    record: Instruction,
    max_new_tokens: int | None,
    temperature: float | None,
    guide: Guide | None = None,
    *,
    place: str = "",
) -> AnswerRequest:
    model = context.model
    prompt = model.encode_request(record.instruction, record.input or "", f"{place}instruction")
    limit = model.limit_new_tokens(max_new_tokens, len(prompt), "max_new_tokens")
    penalty = select_frequency_penalty(None, model.manifest.frequency_penalty, guide)
    options = SamplingOptions(
        max_new_tokens=limit, temperature=temperature or 0.0, frequency_penalty=penalty, guide=guide
    )
    return AnswerRequest(TokenRequest(tuple(prompt), options), build_rules(None, is_trimmed=True))


def _format_answer(answer: AnswerRequest, part: AnswerPart) -> dict[str, Any]:
    usage = Usage(prompt_tokens=len(answer.tokens.prompt), completion_tokens=part.completion_tokens)
    return {"output": part.text, "finish_reason": part.finish_reason, "usage": usage}


async def _stream(context: ServiceContext, answer: AnswerRequest, id: str) -> AsyncGenerator[dict[str, Any]]:
    """Yield the parts of an answer; the last event has everything but the text."""
    async with aclosing(stream_answer(context.engine, context.model, answer)) as parts:
        async for part in parts:
            if part.text:
                yield {"output": part.text}
            if part.finish_reason is not None:
                last = GenerateResponse(**_format_answer(answer, part), id=id, model=context.model.tag)
                yield last.model_dump(exclude={"output"})


def _respond(content: BaseModel) -> Response:
    return Utf8JSONResponse(content.model_dump())
