"""Responses of endpoints that differ from OpenAI's API in small things: what is read from them."""

from __future__ import annotations

import json

import pytest

from seodang.synthesis.budget import bound_tokens
from seodang.synthesis.calls import Message, Refusal, Reply, make_call
from seodang.synthesis.responses import AllCallsRefused, Response, TemporaryError, parse_response

CALL = make_call(model="m", messages=[Message(role="user", content="hi")], max_tokens=50, temperature=0.5)
BOUND = bound_tokens(CALL)
USAGE = {"prompt_tokens": 5, "completion_tokens": 3}


def parse(content="ok", *, usage=None, status=200, headers=None, finish_reason="stop"):
    body = {"choices": [{"message": {"content": content}, "finish_reason": finish_reason}], "usage": usage or USAGE}
    return parse_response(Response(status=status, headers=headers or {}, body=json.dumps(body).encode()), CALL, BOUND)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": "5", "completion_tokens": "3"}, (5, 3)),
        ({"prompt_tokens": 5.0, "completion_tokens": 2.5}, (5, 3)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, BOUND),
        ({"prompt_tokens": -1, "completion_tokens": True}, BOUND),
        ({"prompt_tokens": 10**400, "completion_tokens": "9" * 400}, BOUND),
        ({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}, BOUND),
        ({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 400}, (5, 395)),
        ({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 0}, (5, 3)),
    ],
    ids=["texts", "floats", "no counts", "no numbers", "huge", "not finite", "reasoning in the total", "no total"],
)
def test_usage_counts_in_whatever_form_and_what_is_no_count_counts_as_reserved(usage, tokens):
    reply = parse(usage=usage)
    assert (reply.prompt_tokens, reply.completion_tokens) == tuple(tokens)


def test_an_empty_reply_may_have_no_tokens():
    assert parse("", usage={"prompt_tokens": 5, "completion_tokens": 0}).completion_tokens == 0


def test_a_completion_with_another_status_of_success_is_an_answer_because_it_is_paid_for():
    assert isinstance(parse(status=201), Reply)
    with pytest.raises(TemporaryError) as caught:
        parse_response(Response(status=204, headers={}, body=b""), CALL, BOUND)
    assert not caught.value.is_unpaid


def test_parts_of_reasoning_are_no_answer_and_a_part_that_declines_is_a_refusal():
    parts = [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "a"}, "b", {"text": "c"}, None, 3]
    assert parse(parts).text == "abc"
    refusal = parse([{"type": "refusal", "refusal": "no"}])
    assert isinstance(refusal, Refusal)
    assert refusal.text == "no"


def test_a_name_of_a_model_in_a_record_has_no_codes_of_a_terminal_and_no_half_characters():
    body = {"model": "teacher\ud800\x1b[31m", "choices": [{"message": {"content": "ok"}}]}
    response = Response(status=200, headers={}, body=json.dumps(body).encode())
    assert parse_response(response, CALL, BOUND).model == "teacher??[31m"


@pytest.mark.parametrize("finish_reason", ["content_filter", "SAFETY", "recitation", "sensitive"])
def test_a_filter_is_a_refusal_by_whatever_name_the_endpoint_has_for_it(finish_reason):
    assert parse("half", finish_reason=finish_reason).reason == finish_reason


@pytest.mark.parametrize(
    ("header", "wait"),
    [("1.5", 1.5), ("7", 7.0), ("1 Jan 99999999999 1:1:1", None), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_a_time_to_wait_is_read_in_whatever_form_and_an_unreadable_one_is_none(header, wait):
    with pytest.raises(TemporaryError) as caught:
        parse(status=429, headers={"retry-after": header})
    assert caught.value.wait == wait


def test_a_used_up_quota_that_only_the_type_names_ends_the_run():
    error = {"message": "quota", "type": "insufficient_quota", "code": None}
    with pytest.raises(AllCallsRefused):
        parse_response(Response(status=429, headers={}, body=json.dumps({"error": error}).encode()), CALL, BOUND)


def test_a_prompt_that_a_moderation_flags_is_a_refusal_of_one_call_and_another_403_ends_the_run():
    def respond(message):
        body = json.dumps({"error": {"code": 403, "message": message}}).encode()
        return parse_response(Response(status=403, headers={}, body=body), CALL, BOUND)

    assert isinstance(respond("Your chosen model requires moderation and your input was flagged"), Refusal)
    with pytest.raises(AllCallsRefused):
        respond("this key may not use the model")
