"""No body makes the application fail. Run: pytest tests/service/test_hostile_bodies.py"""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.service.test_errors import ERROR_FIELDS, POSTS

from seodang.service.routes.openai_requests import ChatRequest, CompletionRequest

_FIELDS = sorted(
    {*ChatRequest.model_fields, *CompletionRequest.model_fields, "tools", "response_format", "instruction", "input"}
    | {
        "max_new_tokens",
        "options",
        "records",
        "tokens",
        "add_special_tokens",
        "role",
        "content",
        "type",
        "text",
        "id",
        "rating",
    }
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 130),
    st.sampled_from([2**31, 2**63, 2**64, -(2**63), 10**400, -(10**400), 1e308, -1e-320, 0.5, 2.0]),
    st.text(max_size=8),
    st.sampled_from(
        ["", "\x00", "\ud800", "\u202e", "\ufffd", "<|end|>", "가" * 300, "user", "system", "text", "\r\n"]
    ),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda values: st.one_of(
        st.lists(values, max_size=4),
        st.dictionaries(st.sampled_from([*_FIELDS, "", "5", "-1", "é"]), values, max_size=5),
    ),
    max_leaves=8,
)
_VALID = {
    "messages": [{"role": "user", "content": "가"}],
    "prompt": "가",
    "instruction": "가",
    "options": ["가", "나"],
    "records": [{"instruction": "가"}],
    "tokens": [5],
    "id": "gen-0",
    "rating": "up",
}


# A quick run, and one of 10,000 bodies in all.
COUNTS = [25, pytest.param(1500, marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("path", POSTS)
def test_a_body_is_answered_or_refused_with_a_documented_error(script, path, count):
    client, engine = script("가나")

    @given(changes=st.dictionaries(st.sampled_from(_FIELDS), _VALUES, max_size=4), is_mixed=st.booleans())
    @settings(max_examples=count, deadline=None)
    def check(changes, is_mixed):
        body = json.dumps({**_VALID, **changes} if is_mixed else changes).encode()
        response = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert response.status_code in (200, 400, 404), (response.status_code, body)
        if response.status_code != 200:
            assert set(response.json()["error"]) == ERROR_FIELDS
        elif response.headers["content-type"] == "application/json":
            response.json()
        else:
            assert response.text.endswith("data: [DONE]\n\n")
            assert "internal_error" not in response.text
        assert engine.running == 0

    check()


@pytest.mark.parametrize("path", POSTS)
@given(body=st.binary(max_size=200))
@settings(max_examples=20, deadline=None)
def test_bytes_are_refused(client, path, body):
    response = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert set(response.json()["error"]) == ERROR_FIELDS
