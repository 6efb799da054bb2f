"""Habits of clients in other languages. Run: pytest tests/service/test_client_habits.py

Go, Java and C# send zeros for numbers that were never set, and Gson and Lua every number as a float. A file that .NET
or PowerShell wrote begins with a byte order mark.
"""

from __future__ import annotations

import codecs
import json

import pytest
from tests.service.test_chat import PATH, chat
from tests.service.test_errors import check_error

BODY = {"messages": [{"role": "user", "content": "안녕"}]}
NATIVE = {"instruction": "안녕"}


def post_bytes(client, content: bytes, path: str = PATH):
    return client.post(path, content=content, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, {**BODY, "max_tokens": 4.0, "n": 1.0, "seed": 7.0, "logprobs": True, "top_logprobs": 2.0}),
        (PATH, {**BODY, "max_completion_tokens": 4.0, "seed": -0.0}),
        ("/v1/completions", {"prompt": "안녕", "max_tokens": 4.0, "n": 2.0, "logprobs": 0.0}),
        ("/generate", {**NATIVE, "max_new_tokens": 4.0}),
        ("/batch", {"records": [NATIVE], "max_new_tokens": 4.0}),
    ],
)
def test_a_whole_number_may_be_written_as_a_float(script, path, body):
    """JSON has one kind of numbers, and 4.0 is an integer in JSON Schema."""
    client, engine = script("가나")
    assert client.post(path, json=body).status_code == 200
    assert engine.requests[0].options.max_new_tokens == 4
    assert type(engine.requests[0].options.max_new_tokens) is int


@pytest.mark.parametrize("name", ["max_tokens", "n", "seed", "top_logprobs"])
@pytest.mark.parametrize("value", [1.5, True, "4", 1e300])
def test_other_values_of_a_whole_number_are_refused_by_name(script, name, value):
    client, engine = script("가")
    check_error(chat(client, logprobs=True, **{name: value}), 400, name)
    assert not engine.requests


def test_the_bounds_of_a_whole_number_are_exact(script):
    client, engine = script("가")
    assert chat(client, seed=2**63 - 1).status_code == 200
    assert engine.requests[0].options.seed == 2**63 - 1
    answer = chat(client, seed=2**63)
    check_error(answer, 400, "seed")
    assert str(2**63) in answer.json()["error"]["message"]


def test_infinity_is_no_whole_number(script):
    client, _engine = script("가")
    content = json.dumps(BODY).encode()[:-1] + b',"seed":1e400}'
    check_error(post_bytes(client, content), 400, "seed")


def test_a_top_p_of_zero_leaves_the_most_probable_token(client):
    """OpenAI's document has 0 as the minimum."""
    answers = [
        chat(client, top_p=top_p, temperature=temperature, seed=3, max_tokens=8).json()["choices"]
        for top_p, temperature in ((1, 0), (0, 2), (0, 1))
    ]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("logprobs", [None, False])
def test_zero_top_logprobs_ask_for_nothing(script, logprobs):
    client, _engine = script("가")
    answer = chat(client, top_logprobs=0, logprobs=logprobs)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(("path", "body"), [(PATH, BODY), ("/generate", NATIVE)])
def test_a_byte_order_mark_before_the_body_is_left_out(script, path, body):
    client, _engine = script("가")
    content = json.dumps(body, ensure_ascii=False).encode()
    answer = post_bytes(client, codecs.BOM_UTF8 + content, path)
    assert answer.status_code == 200
    check_error(post_bytes(client, codecs.BOM_UTF8 * 2 + content, path), 400, None, "invalid_json")


@pytest.mark.parametrize("encoding", ["cp949", "euc-kr", "utf-16"])
def test_an_other_encoding_than_utf8_is_named(script, encoding):
    client, engine = script("가")
    answer = post_bytes(client, json.dumps(BODY, ensure_ascii=False).encode(encoding))
    check_error(answer, 400, None, "invalid_json")
    assert "is not UTF-8 (byte" in answer.json()["error"]["message"]
    assert not engine.requests


def test_half_a_surrogate_in_utf8_is_no_utf8(script):
    client, _engine = script("가")
    answer = post_bytes(
        client, json.dumps(BODY, ensure_ascii=False).replace("안녕", "\ud800").encode("utf-8", "surrogatepass")
    )
    assert "is not UTF-8 (byte" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"stop": [""]}, "stop.0", "at least 1 character"),
        ({"stop": ""}, "stop.0", "at least 1 character"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages.0.content.0.text",
            "needs its text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": None}]}]},
            "messages.0.content.0.text",
            "needs its text",
        ),
    ],
)
def test_an_empty_value_is_refused_in_words_that_name_it(script, fields, param, words):
    client, _engine = script("가")
    answer = chat(client, **fields)
    check_error(answer, 400, param, "invalid_value")
    assert words in answer.json()["error"]["message"]
