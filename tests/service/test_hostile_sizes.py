"""Large and strange bodies: bounded answers, bounded logs, no text of a user in the log, and bounded work.

Run: pytest tests/service/test_hostile_sizes.py
"""

from __future__ import annotations

import gzip
import json
import logging
import tracemalloc
from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from tests.service.test_errors import ERROR_FIELDS, POSTS

from seodang.service.routes.feedback import FeedbackRequest
from seodang.service.routes.native_requests import (
    BatchRequest,
    ChooseRequest,
    DetokenizeRequest,
    GenerateRequest,
    TokenizeRequest,
)
from seodang.service.routes.openai_requests import ChatRequest, CompletionRequest
from seodang.service.telemetry.json_log import JsonFormatter

SECRET: Final = "비밀SECRET"
VALID: Final[dict[str, Any]] = {
    "messages": [{"role": "user", "content": SECRET}],
    "prompt": SECRET,
    "instruction": SECRET,
    "options": [SECRET, "나"],
    "records": [{"instruction": SECRET}],
    "tokens": [5],
    "id": SECRET,
    "rating": "up",
}
OWN: Final[Mapping[str, tuple[str, ...]]] = {
    "/generate": ("instruction",),
    "/choose": ("instruction", "options"),
    "/batch": ("records",),
    "/v1/chat/completions": ("messages",),
    "/v1/completions": ("prompt",),
    "/feedback": ("id", "rating"),
    "/tokenize": ("prompt",),
    "/detokenize": ("tokens",),
}
BODIES: Final[Mapping[type[BaseModel], str]] = {
    GenerateRequest: "/generate",
    ChooseRequest: "/choose",
    BatchRequest: "/batch",
    ChatRequest: "/v1/chat/completions",
    CompletionRequest: "/v1/completions",
    FeedbackRequest: "/feedback",
    TokenizeRequest: "/tokenize",
    DetokenizeRequest: "/detokenize",
}


QUICK: Final = "/v1/chat/completions"
QUICK_AND_SLOW: Final = [path if path == QUICK else pytest.param(path, marks=pytest.mark.slow) for path in POSTS]


def build_valid(path: str) -> dict[str, Any]:
    return {name: VALID[name] for name in OWN[path]}


def encode(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")


def list_bodies(path: str) -> dict[str, bytes]:
    """Return strange bodies of a route, by what is strange."""
    valid = build_valid(path)
    text = encode(valid)
    nested = b'{"a":' * 5000 + b"1" + b"}" * 5000
    first = next(iter(valid))
    return {
        "100,000 keys": encode({**valid, **{f"{SECRET}{n}": n for n in range(100_000)}}),
        "one key of 1 MB": encode({**valid, SECRET * 100_000: 1}),
        "a text of 1 MB": encode({**valid, first: SECRET * 100_000}),
        "a text of one word": encode({**valid, first: "a" * 2_000_000}),
        "control tokens": encode({**valid, first: "<|end|><|user|><|assistant|><s></s><pad>" * 10_000}),
        "NULs": encode({**valid, first: "\0" * 100_000}),
        "combining characters": encode({**valid, first: "e" + "\u0301" * 100_000}),
        "deep lists": b'{"%s":' % first.encode() + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "deep objects": nested,
        "duplicate keys": text[:-1] + b"," + text[1:],
        "many duplicate keys": b'{"%s":1' % first.encode() + b',"model":"%s"' % SECRET.encode() * 50_000 + b"}",
        "NaN": text[:-1] + b',"temperature":NaN}',
        "Infinity": text[:-1] + b',"temperature":-Infinity}',
        "a huge number": text[:-1] + b',"max_tokens":1' + b"0" * 100_000 + b"}",
        "a huge exponent": text[:-1] + b',"temperature":1e999999999}',
        "a lone surrogate": text.replace(SECRET.encode(), b"\\ud800"),
        "a lone surrogate in UTF-8": text.replace(SECRET.encode(), b"\xed\xa0\x80"),
        "invalid UTF-8": text.replace(SECRET.encode(), b"\xff\xfe\xc0\xaf"),
        "BOM": b"\xef\xbb\xbf" + text,
        "UTF-16": text.decode().encode("utf-16"),
        "UTF-32": text.decode().encode("utf-32"),
        "gzip": gzip.compress(text),
        "two objects": text + text,
        "a comment": b"/* a */" + text,
        "single quotes": text.replace(b'"', b"'"),
        "cut": text[:-1],
        "a million numbers": encode({**valid, first: [1] * 1_000_000}),
        "a million objects": b'{"%s":[' % first.encode() + b"{}," * 1_000_000 + b"{}]}",
        "a million lists": b'{"%s":[' % first.encode() + b"[]," * 1_000_000 + b"[]]}",
        "escapes": text.replace(SECRET.encode(), b"\\u0000\\u001b[31m\\r\\n" * 1000),
        "nothing but blanks": b" " * 1_000_000,
    }


@pytest.mark.parametrize("name", list_bodies("/generate"))
@pytest.mark.parametrize("path", QUICK_AND_SLOW)
def test_a_strange_body_gets_a_small_answer_and_a_small_log_without_its_text(script, path, name, caplog):
    caplog.set_level(logging.DEBUG)
    client, engine = script("가나")
    body = list_bodies(path)[name]
    response = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (200, 400, 404)
    if response.status_code != 200:
        assert set(response.json()["error"]) == ERROR_FIELDS
        assert len(response.content) < 2000
        assert response.text.count(SECRET) < 50  # the beginning of a field's name
    assert len(response.content) < 2 * len(body) + 2_000_000
    assert engine.running == 0
    check_log([record for record in caplog.records if record.name.startswith("seodang")])


def check_log(records: list[logging.LogRecord]) -> None:
    lines = [JsonFormatter().format(record) for record in records]
    assert len(lines) == 1
    assert len(lines[0]) < 500
    assert "SECRET" not in lines[0]
    assert not [record for record in records if record.exc_info]


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind in BODIES for field in kind.model_fields], ids=lambda value: str(value)
)
def test_many_wrong_values_are_few_errors(kind, field):
    """Each error takes memory: a million of them took 18 seconds and 5 GB."""
    valid = build_valid(BODIES[kind])
    many = 2000
    for wrong in ({}, [], 1.5, "a", None, True):
        for value in ([wrong] * many, {str(number): wrong for number in range(many)}, [[wrong] * many]):
            assert count_errors(kind, {**valid, field: value}) < 100


def count_errors(kind: type[BaseModel], content: Any) -> int:
    try:
        kind.model_validate_json(encode(content))
    except ValidationError as error:
        return error.error_count()
    return 0


def test_the_body_with_most_errors_takes_bounded_memory(client):
    body = b'{"prompt":[' + b"[]," * 1_300_000 + b"[]]}"
    tracemalloc.start()
    response = client.post("/v1/completions", content=body, headers={"Content-Type": "application/json"})
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.status_code == 400
    assert peak < 100 * 2**20


def test_the_log_probabilities_of_prompts_are_bounded(script):
    client, engine = script("가")
    many = {"prompt": [[5] * 100] * 128, "echo": True, "max_tokens": 0, "logprobs": 20, "n": 16}
    response = client.post("/v1/completions", json=many)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "echo"
    assert not engine.requests
    assert client.post("/v1/completions", json={**many, "logprobs": 0, "n": 1}).status_code == 200


# A quick run, and one of 10,000 bodies in all.
@pytest.mark.parametrize("count", [10, pytest.param(1450, marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", POSTS)
def test_a_damaged_valid_body_is_answered_or_refused(script, path, count, caplog):
    client, engine = script("가나")
    valid = encode({**build_valid(path), "max_tokens": 3, "stop": ["나"], "logit_bias": {"5": 1}, "n": 2})

    @given(
        start=st.integers(0, len(valid)),
        length=st.integers(0, 12),
        insert=st.binary(max_size=6)
        | st.sampled_from([b"{", b"[", b'"', b"\\u", b"\\ud83d", b"1e9", b"-", b"null", b","]),
        repeat=st.sampled_from([1, 1, 1, 50, 3000]),
    )
    @settings(max_examples=count, deadline=None)
    def check(start, length, insert, repeat):
        caplog.clear()
        body = valid[:start] + insert * repeat + valid[start + length :]
        response = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert response.status_code in (200, 400, 404), body
        if response.status_code != 200:
            assert set(response.json()["error"]) == ERROR_FIELDS
        assert engine.running == 0
        assert not [record for record in caplog.records if record.exc_info]

    check()
