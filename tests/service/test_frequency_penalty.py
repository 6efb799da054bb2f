"""A packaged model answers with the frequency penalty of its evaluation, unless a request asks for another one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.service.conftest import ScriptedEngine

from seodang.service.context import ServiceContext

CHAT = {"messages": [{"role": "user", "content": "가"}]}
ROUTES = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": {"prompt": "가"},
    "/generate": {"instruction": "가"},
    "/batch": {"records": [{"instruction": "가"}]},
}


@pytest.fixture
def penalized(served, build_client):
    engine = ScriptedEngine(served.model.encoder.encode_text("나"), served.model.manifest.end_id)
    changes = {"max_new_tokens": 100, "frequency_penalty": 0.5}
    model = replace(served.model, manifest=served.model.manifest.model_copy(update=changes))
    return build_client(ServiceContext(model, engine)), engine


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_answers_with_the_packaged_penalty(penalized, route):
    client, engine = penalized
    assert client.post(route, json=ROUTES[route]).status_code == 200
    assert engine.requests[0].options.frequency_penalty == 0.5


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"frequency_penalty": 0}, 0.0),
        ({"frequency_penalty": -1.5}, -1.5),
        ({"frequency_penalty": None}, 0.5),
        ({"guided_choice": ["나", "다"]}, 0.0),  # a form has to repeat its punctuation
        ({"guided_choice": ["나", "다"], "frequency_penalty": 0.1}, 0.1),
    ],
)
def test_a_request_may_ask_for_another_penalty(penalized, fields, expected):
    client, engine = penalized
    assert client.post("/v1/chat/completions", json={**CHAT, **fields}).status_code == 200
    assert engine.requests[0].options.frequency_penalty == expected
