"""POST /feedback, and what a canary reads of a service. Run: pytest tests/service/test_feedback.py"""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient
from tests.constants import KOREAN
from tests.service.test_errors import check_error

from seodang.release.online_scores import read_counters
from seodang.release.router import ResponseCounts
from seodang.service.answers.ratings import AnswerRatings, RatedAnswer
from seodang.service.http.api_keys import ApiKeys
from seodang.service.web_app import create_app

QUESTION = {"instruction": KOREAN[0], "input": KOREAN[1]}
CHAT = {"messages": [{"role": "user", "content": "가"}], "max_tokens": 4}
ASKED = [("/generate", QUESTION), ("/v1/chat/completions", CHAT), ("/v1/completions", {"prompt": "가"})]
KEYS = {name: name * 16 for name in "ab"}


@pytest.fixture
def count(client):
    """Returns what a counter of the canary grew by since the test began."""

    def read():
        return read_counters(client.get("/metrics").text, ResponseCounts(0, 0), 600.0)

    before = read()
    return lambda name: read()[name] - before[name]


def rate(client, id, rating="up", **header):
    return client.post("/feedback", json={"id": id, "rating": rating}, headers=header)


@pytest.mark.parametrize(("path", "body"), ASKED)
@pytest.mark.parametrize("stream", [False, True])
def test_every_answer_can_be_rated_once(client, count, read_events, path, body, stream):
    response = client.post(path, json={**body, "stream": stream})
    id = read_events(response.text)[-2]["id"] if stream else response.json()["id"]
    for _again in range(2):
        reply = rate(client, id, "down")
        assert (reply.status_code, reply.json()) == (200, {"id": id, "rating": "down"})
    changed = rate(client, id, "up")
    check_error(changed, 400, "rating")
    assert changed.json()["error"]["code"] == "already_rated"
    assert (count("liked.good"), count("liked.all")) == (0, 1)


def test_a_rating_has_the_documented_shape(client):
    document = client.get("/docs.json").json()
    reply = rate(client, client.post("/generate", json=QUESTION).json()["id"])
    schema = document["paths"]["/feedback"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(reply.json())


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"id": "x" * 129, "rating": "up"}, "id"),
        ({"id": "x", "rating": "good"}, "rating"),
        ({"id": "x"}, "rating"),
        ({"id": "x", "rating": "up", "text": "!"}, "text"),
    ],
)
def test_a_wrong_field_is_named(client, body, param):
    check_error(client.post("/feedback", json=body), 400, param)


def test_an_unknown_answer_is_an_error_in_korean_too(client, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    reply = rate(client, "gen-" + "0" * 32)
    assert "평가할 수 있는 답" in check_error(reply, 404, "id")
    assert reply.json()["error"]["code"] == "answer_not_found"


def test_only_the_key_that_got_an_answer_rates_it(served):
    keys = ApiKeys({"SEODANG_API_KEYS": ",".join(f"{name}:{key}" for name, key in KEYS.items())})
    client = TestClient(create_app(served, "<p>", keys=keys), base_url="http://127.0.0.1")
    headers = {name: {"Authorization": f"Bearer {key}"} for name, key in KEYS.items()}
    id = client.post("/generate", json=QUESTION, headers=headers["a"]).json()["id"]
    check_error(rate(client, id), 401, None)
    check_error(rate(client, id, **headers["b"]), 404, "id")
    assert rate(client, id, **headers["a"]).status_code == 200


def test_the_oldest_answer_is_forgotten():
    ratings = AnswerRatings(limit=2)
    for id in "abc":
        ratings.add(id, RatedAnswer(None, "tiny"))
    assert [ratings.find(id, None) is not None for id in "abc"] == [False, True, True]


def test_answers_in_and_out_of_their_form_are_counted(client, count):
    choice = {**QUESTION, "guided_choice": ["긍정", "부정"]}
    assert client.post("/generate", json=choice).json()["output"] in choice["guided_choice"]
    assert (count("valid.good"), count("valid.all")) == (1, 1)
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 30}}, "required": ["a"]}
    cut = client.post("/generate", json={**QUESTION, "guided_json": schema, "max_new_tokens": 3}).json()
    assert cut["finish_reason"] == "length"
    assert (count("valid.good"), count("valid.all")) == (1, 2)
    client.post("/generate", json=QUESTION)
    assert count("valid.all") == 2


def test_a_stream_in_a_form_is_counted(client, count):
    client.post("/v1/chat/completions", json={**CHAT, "stream": True, "structured_outputs": {"choice": ["네"]}})
    assert (count("valid.good"), count("valid.all")) == (1, 1)


def test_a_probe_is_counted_apart_too(client, count):
    for header in ({}, {"X-Seodang-Probe": "1"}, {"X-Seodang-Probe": "0"}):
        client.post("/generate", json=QUESTION, headers=header)
    assert [count(f"{score}.{kind}") for score in ("fast", "stopped") for kind in ("all", "probe_all")] == [3, 1, 3, 1]
