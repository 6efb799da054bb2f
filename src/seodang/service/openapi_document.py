"""The OpenAPI document of all routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from seodang.service.native_requests import (
    BatchRequest,
    BatchResponse,
    ChooseRequest,
    ChooseResponse,
    DetokenizeRequest,
    GenerateRequest,
    GenerateResponse,
    TokenizeRequest,
)
from seodang.service.openai_requests import ChatRequest, CompletionRequest

_REFERENCE: Final = "#/components/schemas/{model}"
_ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_POST: Final[Mapping[str, tuple[str, type[BaseModel], type[BaseModel] | None, bool]]] = {
    "/generate": ("Answer an instruction", GenerateRequest, GenerateResponse, True),
    "/choose": ("Choose one of given answers", ChooseRequest, ChooseResponse, False),
    "/batch": ("Answer several instructions", BatchRequest, BatchResponse, False),
    "/v1/chat/completions": ("Answer a conversation", ChatRequest, None, True),
    "/v1/completions": ("Continue texts", CompletionRequest, None, True),
    "/tokenize": ("Encode a text", TokenizeRequest, None, False),
    "/detokenize": ("Decode token ids", DetokenizeRequest, None, False),
}
"""Path -> summary, body, answer, and whether the answer may be a stream."""
_GET: Final[Mapping[str, str]] = {
    "/lineage": "Lineage of the weights, down to the source files",
    "/v1/models": "Served models",
    "/v1/models/{id}": "One model",
    "/tokenizer_info": "Special tokens and chat template",
    "/docs.json": "This document",
    "/livez": "Whether the process is alive",
    "/healthz": "Whether the process is alive",
    "/readyz": "Whether it accepts requests",
}
_ERRORS: Final = ("400", "401", "403", "404", "405", "413", "429", "500", "503")


def build_openapi(version: str) -> dict[str, Any]:
    """Return the document, OpenAPI 3.1.

    Args:
        version: Of the model.
    """
    requests = [(body, "validation") for _summary, body, _answer, _stream in _POST.values()]
    answers = [(answer, "serialization") for _summary, _body, answer, _stream in _POST.values() if answer is not None]
    references, definitions = models_json_schema([*requests, *answers], ref_template=_REFERENCE)  # type: ignore[list-item]
    paths: dict[str, Any] = {path: {"get": _describe_get(path, summary)} for path, summary in _GET.items()}
    paths["/"] = {"get": _describe("The model's card", {"text/html": {"schema": {"type": "string"}}})}
    paths["/ui"] = {"get": _describe("A page to try the model", {"text/html": {"schema": {"type": "string"}}})}
    for path, (summary, body, answer, streams) in _POST.items():
        schema = _OBJECT if answer is None else references[answer, "serialization"]
        content: dict[str, Any] = {"application/json": {"schema": schema}}
        if streams:
            content["text/event-stream"] = {"schema": {"type": "string"}}
        request = {"required": True, "content": {"application/json": {"schema": references[body, "validation"]}}}
        paths[path] = {"post": {**_describe(summary, content), "requestBody": request}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Seodang", "version": version},
        "paths": paths,
        "security": [{"key": []}, {}],
        "components": {
            "schemas": {**definitions["$defs"], "Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe_get(path: str, summary: str) -> dict[str, Any]:
    described = _describe(summary, {"application/json": {"schema": _OBJECT}})
    if "{id}" in path:
        described["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    return described


def _describe(summary: str, content: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": _REFERENCE.format(model="Error")}}}
    errors = {status: {"description": "Error", "content": error} for status in _ERRORS}
    return {"summary": summary, "responses": {"200": {"description": "Answer", "content": content}, **errors}}
