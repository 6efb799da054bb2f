"""The OpenAPI document of all routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from seodang.service.model.served_model import ServedModel
from seodang.service.routes import answer_schemas as answers
from seodang.service.routes.feedback import FeedbackRequest, FeedbackResponse
from seodang.service.routes.native_requests import (
    BatchRequest,
    BatchResponse,
    ChooseRequest,
    ChooseResponse,
    DetokenizeRequest,
    GenerateRequest,
    GenerateResponse,
    TokenizeRequest,
)
from seodang.service.routes.openai_requests import ChatRequest, CompletionRequest

_Mode = Literal["validation", "serialization"]
_REFERENCE: Final = "#/components/schemas/{model}"
_POST: Final[Mapping[str, tuple[str, type[BaseModel], type[BaseModel], type[BaseModel] | None]]] = {
    "/generate": ("Answer an instruction", GenerateRequest, GenerateResponse, answers.GeneratePart),
    "/choose": ("Choose one of given answers", ChooseRequest, ChooseResponse, None),
    "/batch": ("Answer several instructions", BatchRequest, BatchResponse, None),
    "/v1/chat/completions": (
        "Answer a conversation",
        ChatRequest,
        answers.ChatCompletion,
        answers.ChatCompletionChunk,
    ),
    "/v1/completions": ("Continue texts", CompletionRequest, answers.TextCompletion, answers.TextCompletion),
    "/feedback": ("Rate an answer", FeedbackRequest, FeedbackResponse, None),
    "/tokenize": ("Encode a text", TokenizeRequest, answers.TokenizeResponse, None),
    "/detokenize": ("Decode token ids", DetokenizeRequest, answers.DetokenizeResponse, None),
}
"""Path -> summary, body, answer, and the content of its events where the answer may be a stream."""
_GET: Final[Mapping[str, tuple[str, type[BaseModel] | None]]] = {
    "/lineage": ("Lineage of the weights, down to the source files", answers.Lineage),
    "/v1/models": ("Served models", answers.ModelList),
    "/v1/models/{id}": ("One model", answers.ModelCard),
    "/tokenizer_info": ("Special tokens and chat template", answers.TokenizerInfo),
    "/docs.json": ("This document", None),
    "/livez": ("Whether the process is alive", answers.Status),
    "/healthz": ("Whether the process is alive", answers.Status),
    "/readyz": ("Whether it accepts requests", answers.Status),
}
_MODEL_PATHS: Final = frozenset({"/lineage", "/tokenizer_info"})
"""Paths whose query names a model."""
_ERRORS: Final[Mapping[str, str]] = {
    "400": "The request has an error, which its sender can correct",
    "401": "The key is missing or unknown",
    "403": "Without keys the service answers on loopback only",
    "404": "The route, the model or the rated answer does not exist",
    "405": "The route does not have this method",
    "413": "The body is too large",
    "429": "The queue is full, or the key has sent too many requests",
    "500": "The service failed; its log names the cause",
    "503": "The service stops, or the answer takes too long",
}
_HEADERS: Final[Mapping[str, tuple[str, dict[str, str]]]] = {
    "401": ("WWW-Authenticate", {"type": "string"}),
    "405": ("Allow", {"type": "string"}),
    "429": ("Retry-After", {"type": "string", "pattern": "^[0-9]+$"}),
    "503": ("Retry-After", {"type": "string", "pattern": "^[0-9]+$"}),
}
"""Status -> header that its answers have, and its schema."""


def build_openapi(model: ServedModel) -> dict[str, Any]:
    """Return the document, OpenAPI 3.1.

    Args:
        model: Its version and its limits stand in the document.
    """
    references, schemas = _build_schemas(model)
    paths: dict[str, Any] = {
        path: {"get": _describe_get(path, summary, references.get((answer, "serialization"), {"type": "object"}))}
        for path, (summary, answer) in _GET.items()
    }
    paths["/metrics"] = {"get": _describe("Metrics for Prometheus", {"text/plain": {"schema": {"type": "string"}}})}
    paths["/"] = {"get": _describe("The model's card", {"text/html": {"schema": {"type": "string"}}})}
    paths["/ui"] = {"get": _describe("A page to try the model", {"text/html": {"schema": {"type": "string"}}})}
    for path, (summary, body, answer, event) in _POST.items():
        content = {"application/json": {"schema": references[answer, "serialization"]}}
        if event is not None:
            content["text/event-stream"] = {"schema": _describe_event(references[event, "serialization"])}
        request = {"required": True, "content": {"application/json": {"schema": references[body, "validation"]}}}
        paths[path] = {"post": {**_describe(summary, content), "requestBody": request}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Seodang", "version": model.tag.rpartition(":")[2]},
        "paths": paths,
        "security": [{"key": []}, {}],
        "components": {"schemas": schemas, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _build_schemas(model: ServedModel) -> tuple[Mapping[Any, dict[str, Any]], dict[str, Any]]:
    """Return references by body or answer, and the schemas that they refer to, with the limits of the model."""
    used: dict[tuple[type[BaseModel], _Mode], None] = {(answers.Error, "serialization"): None}
    for _summary, body, answer, event in _POST.values():
        used[body, "validation"] = used[answer, "serialization"] = None
        if event is not None:
            used[event, "serialization"] = None
    used |= {(answer, "serialization"): None for _summary, answer in _GET.values() if answer is not None}
    references, definitions = models_json_schema(list(used), ref_template=_REFERENCE)
    schemas: dict[str, Any] = definitions["$defs"]
    for name in ("max_tokens", "max_completion_tokens", "max_new_tokens"):
        for schema in schemas.values():
            _set_maximum(schema.get("properties", {}).get(name), model.manifest.max_new_tokens)
    _set_maximum(schemas["DetokenizeRequest"]["properties"]["tokens"]["items"], model.vocabulary_size - 1)
    return references, schemas


def _set_maximum(schema: dict[str, Any] | None, maximum: int) -> None:
    """Set the maximum of an integer, or of the integer among alternatives."""
    for item in (schema or {}).get("anyOf", [schema or {}]):
        if item.get("type") == "integer":
            item.pop("exclusiveMaximum", None)
            item["maximum"] = maximum


def _describe_event(schema: dict[str, Any]) -> dict[str, Any]:
    content = {"anyOf": [schema, {"$ref": _REFERENCE.format(model=answers.Error.__name__)}]}
    event = {"contentMediaType": "application/json", "contentSchema": content}
    data = {"type": "string", "anyOf": [event, {"const": "[DONE]"}]}
    description = "one of the server-sent events; the last one is [DONE]"
    return {"type": "object", "required": ["data"], "properties": {"data": data}, "description": description}


def _describe_get(path: str, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    described = _describe(summary, {"application/json": {"schema": schema}})
    if "{id}" in path:
        described["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    if path in _MODEL_PATHS:
        described["parameters"] = [{"name": "model", "in": "query", "required": False, "schema": {"type": "string"}}]
    return described


def _describe(summary: str, content: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "Answer", "content": content}}
    error = {"application/json": {"schema": {"$ref": _REFERENCE.format(model=answers.Error.__name__)}}}
    for status, description in _ERRORS.items():
        responses[status] = {"description": description, "content": error}
        if status in _HEADERS:
            name, schema = _HEADERS[status]
            responses[status]["headers"] = {name: {"required": True, "schema": schema}}
    return {"summary": summary, "responses": responses}
