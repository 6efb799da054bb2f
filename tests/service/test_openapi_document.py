"""Answers have the shape that the OpenAPI document states. Run: pytest tests/service/test_openapi_document.py"""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from seodang.service.routes.answer_schemas import ChatCompletionChunk, GeneratePart, TextCompletion

CHAT = {"messages": [{"role": "user", "content": "가"}], "max_tokens": 2}
BODIES = [
    ("/generate", {"instruction": "가"}),
    ("/choose", {"instruction": "가", "options": ["나", "다"]}),
    ("/batch", {"records": [{"instruction": "가"}]}),
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", {**CHAT, "logprobs": True, "top_logprobs": 2, "n": 2}),
    ("/v1/completions", {"prompt": "가"}),
    ("/v1/completions", {"prompt": ["가", "나"], "echo": True, "logprobs": 2}),
    ("/tokenize", {"prompt": "가"}),
    ("/detokenize", {"tokens": [5]}),
]
PATHS = "/lineage /v1/models /v1/models/tiny /tokenizer_info /docs.json /livez /healthz /readyz".split()


@pytest.fixture(scope="session")
def document(client) -> dict[str, Any]:
    return client.get("/docs.json").json()


def check(document, path, response):
    path = "/v1/models/{id}" if path.startswith("/v1/models/") else path
    described = document["paths"][path][response.request.method.lower()]["responses"][str(response.status_code)]
    schema = described["content"][response.headers["content-type"].partition(";")[0]]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(response.json())
    assert {name.lower() for name in described.get("headers", {})} <= set(response.headers)


@pytest.mark.parametrize(("path", "body"), BODIES)
def test_an_answer_has_the_documented_shape(client, document, path, body):
    response = client.post(path, json=body)
    assert response.status_code == 200
    check(document, path, response)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_read_has_the_documented_shape(client, document, path):
    response = client.get(path)
    assert response.status_code == 200
    check(document, path, response)


@pytest.mark.parametrize(
    ("path", "body", "event"),
    [
        ("/generate", {"instruction": "가"}, GeneratePart),
        ("/v1/chat/completions", {**CHAT, "logprobs": True, "stream_options": {"include_usage": True}}, None),
        ("/v1/completions", {"prompt": "가", "echo": True, "stream_options": {"include_usage": True}}, TextCompletion),
    ],
)
def test_an_event_has_the_documented_shape(client, read_events, path, body, event):
    *events, _end = read_events(client.post(path, json={**body, "stream": True}).text)
    for content in events:
        (event or ChatCompletionChunk).model_validate(content)


def test_an_error_has_the_documented_shape_on_every_path(client, script, served, document, build_client):
    from dataclasses import replace

    full, _engine = script("가", is_full=True)
    clients = [
        client,
        full,
        build_client(replace(served, is_stopping=True)),
        build_client(served, keys="a:" + "k" * 16),
    ]
    statuses = set()
    for path, body in [*BODIES, ("/feedback", {"id": "gen-0", "rating": "up"})]:
        for one in clients:
            responses = [one.post(path, json=body), one.post(path, json=[]), one.post(path, content=b" " * 5_000_000)]
            for response in [*responses, one.request("GET", path)]:
                if response.status_code != 200 and response.request.method == "POST":
                    check(document, path, response)
                    statuses.add(response.status_code)
    assert statuses == {400, 401, 404, 413, 429, 503}


def test_the_limits_of_the_model_stand_in_the_document(document, served):
    schemas = document["components"]["schemas"]
    limits = [
        schemas[name]["properties"][field]["anyOf"][0]["maximum"]
        for name, field in (
            ("ChatRequest", "max_tokens"),
            ("ChatRequest", "max_completion_tokens"),
            ("CompletionRequest", "max_tokens"),
            ("GenerateRequest", "max_new_tokens"),
        )
    ]
    assert limits == [served.model.manifest.max_new_tokens] * 4
    assert schemas["DetokenizeRequest"]["properties"]["tokens"]["items"]["maximum"] == served.model.vocabulary_size - 1
    assert schemas["Instruction"]["properties"]["instruction"]["pattern"] == r"\S"
