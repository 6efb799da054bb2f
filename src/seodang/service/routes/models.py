"""GET /lineage and /v1/models, and what lm-evaluation-harness asks a tokenizer."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from seodang.i18n import _
from seodang.models.tokenization import encode_text
from seodang.service.context import ServiceContext, get_context, read_body
from seodang.service.http.api_error import reject_field
from seodang.service.http.json_response import Utf8JSONResponse
from seodang.service.pages.index_page import HEADERS
from seodang.service.routes.native_requests import DetokenizeRequest, TokenizeRequest
from seodang.service.routes.unsupported_fields import TOKENIZE_FIELDS, check_supported


async def get_page(request: Request) -> Response:
    """Return the model's card and the routes."""
    return HTMLResponse(request.app.state.page, headers=HEADERS)


async def get_lineage(request: Request) -> Response:
    """Return the lineage of a model's answers: bento, weights, verdict, scores, data and licences."""
    model = _select_model(request).model
    content = {
        "bento": model.bento,
        "model": model.tag,
        "prompt": model.manifest.prompt.model_dump(),
        "fingerprint": model.manifest.fingerprint,
        **model.manifest.lineage,
    }
    return Utf8JSONResponse(content)


async def list_models(request: Request) -> Response:
    """Return the served models."""
    return Utf8JSONResponse({"object": "list", "data": list(map(_describe_model, get_context(request).list_models()))})


async def get_model(request: Request) -> Response:
    """Return one model."""
    return Utf8JSONResponse(_describe_model(get_context(request).select_model(request.path_params["id"])))


async def tokenize(request: Request) -> Response:
    """Return the token ids of a text.

    Text never becomes a control token, with one exception. A request for exactly the end, begin or pad token returns
    its id; GET /tokenizer_info returns their names. In this way lm-evaluation-harness looks the ids up.
    """
    body = await read_body(request, TokenizeRequest)
    check_supported(body, TOKENIZE_FIELDS)
    context = get_context(request).select_model(body.model)
    model = context.model
    named = {str(token): id for token, id in _list_named_tokens(context).values()}
    if body.prompt in named:
        ids = [named[body.prompt]]
    else:
        begin = [] if body.add_special_tokens is False else model.encoder.begin_ids
        ids = [*begin, *encode_text(model.tokenizer, body.prompt)]
    return Utf8JSONResponse({"tokens": ids, "count": len(ids), "max_model_len": model.context_length})


async def detokenize(request: Request) -> Response:
    """Return the text of token ids, with control tokens."""
    body = await read_body(request, DetokenizeRequest)
    context = get_context(request).select_model(body.model)
    last = context.model.vocabulary_size - 1
    if body.tokens and max(body.tokens) > last:
        raise reject_field("tokens", _("every token id must be from 0 to {last}", last=last))
    text = str(context.model.tokenizer.decode(body.tokens, clean_up_tokenization_spaces=False))
    return Utf8JSONResponse({"prompt": text})


async def get_tokenizer_info(request: Request) -> Response:
    """Return the names of the tokenizer's special tokens, and its chat template."""
    context = _select_model(request)
    tokens = {name: token for name, (token, _id) in _list_named_tokens(context).items()}
    tokenizer = context.model.tokenizer
    template = tokenizer.chat_template
    content: dict[str, Any] = {
        "tokenizer_class": type(tokenizer).__name__,
        **dict.fromkeys(("bos_token", "eos_token", "pad_token")),
        **tokens,
        "chat_template": template if isinstance(template, str) else None,
        "vocab_size": context.model.vocabulary_size,
        "model_max_length": context.model.context_length,
    }
    return Utf8JSONResponse(content)


def _select_model(request: Request) -> ServiceContext:
    """Return the model that a request without a body names: `?model=NAME`."""
    return get_context(request).select_model(request.query_params.get("model"))


def _list_named_tokens(context: ServiceContext) -> dict[str, tuple[str, int]]:
    """Return text and id of the tokenizer's special tokens; the end token is that of the prompt format."""
    tokenizer = context.model.tokenizer
    end_id = context.model.manifest.end_id
    ids = {"bos_token": tokenizer.bos_token_id, "eos_token": end_id, "pad_token": tokenizer.pad_token_id}
    return {name: (str(tokenizer.convert_ids_to_tokens(id)), id) for name, id in ids.items() if id is not None}


def _describe_model(context: ServiceContext) -> dict[str, Any]:
    model = context.model
    lineage = model.manifest.lineage
    base = lineage.get("base") or {}
    sources = lineage.get("sources") or []
    licences = [
        source.get("licence") for source in sources if source.get("files") or source.get("licence") != "unknown"
    ]
    return {
        "id": model.tag,
        "object": "model",
        "created": model.created,
        "owned_by": "seodang",
        "root": base.get("name"),
        "parent": model.parent,
        "max_model_len": model.context_length,
        "licences": list(dict.fromkeys(filter(None, [base.get("licence"), *licences]))),
        "terms": lineage.get("terms"),
    }
