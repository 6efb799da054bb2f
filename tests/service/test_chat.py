"""POST /v1/chat/completions. Run: pytest tests/service/test_chat.py"""

from __future__ import annotations

import math

import pytest
from tests.constants import KOREAN
from tests.service.test_errors import check_error

from seodang.packaging.chat_template import build_chat_template

PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": f"{KOREAN[0]}\n\n{KOREAN[1]}"}]
TEXT = "반갑습니다! 가나다 👍🏽 end"


def chat(client, **fields):
    return client.post(PATH, json={"messages": [{"role": "user", "content": "가"}], **fields})


def collect(events) -> str:
    return "".join(choice["delta"].get("content", "") for event in events for choice in event["choices"])


def test_the_answer_has_openais_shape_and_hangul_is_utf8(script):
    client, _engine = script(TEXT)
    response = chat(client)
    body = response.json()
    assert TEXT.encode() in response.content
    assert body["object"] == "chat.completion"
    assert body["system_fingerprint"] == "0123456789ab"
    assert body["model"] == "tiny:0123456789ab"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_stream_has_a_role_the_text_a_finish_reason_and_an_end(script, read_events):
    client, _engine = script(TEXT)
    response = chat(client, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    *events, end = read_events(response.text)
    assert end == "[DONE]"
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert events[-1]["choices"][0]["delta"] == {}
    assert [event["choices"][0]["finish_reason"] for event in events] == [None] * (len(events) - 1) + ["stop"]
    assert collect(events) == TEXT
    assert "\ufffd" not in response.text
    assert not any("usage" in event for event in events)
    assert len({event["id"] for event in events}) == 1
    assert all(event["choices"][0]["delta"]["content"] for event in events[1:-1])


def test_usage_is_streamed_where_it_is_asked_for(script, read_events):
    client, _engine = script(TEXT)
    *events, last, _end = read_events(chat(client, stream=True, stream_options={"include_usage": True}).text)
    assert last["choices"] == []
    assert last["usage"] == chat(client).json()["usage"]
    assert all(event["usage"] is None for event in events)
    *events, _end = read_events(chat(client, stream=True, stream_options={"include_usage": None}).text)
    assert all(event["choices"] for event in events)


@pytest.mark.parametrize("error", [ValueError("비밀"), RuntimeError("비밀")])
def test_a_failure_after_the_first_part_is_one_event(script, read_events, served, error):
    client, _engine = script([*served.model.encoder.encode_text("hello"), error])
    *events, failure, end = read_events(chat(client, stream=True).text)
    assert set(failure) == {"error"}
    assert failure["error"]["code"] == "internal_error"
    assert "비밀" not in str(failure)
    assert end == "[DONE]"
    assert collect(events) == "hello"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("stop", "text", "reason"),
    [
        ("니다", "반갑습", "stop"),
        (["없음", "나다 "], "반갑습니다! 가", "stop"),
        (["반"], "", "stop"),
        (["👍"], "반갑습니다! 가나다", "stop"),
        (["없음"], TEXT, "stop"),
        (None, TEXT, "stop"),
        ([], TEXT, "stop"),
    ],
)
def test_a_stop_text_ends_the_answer_and_is_not_in_it(script, read_events, stream, stop, text, reason):
    client, engine = script(TEXT)
    response = chat(client, stop=stop, stream=stream)
    if stream:
        *events, _end = read_events(response.text)
        assert collect(events) == text
        assert events[-1]["choices"][0]["finish_reason"] == reason
    else:
        choice = response.json()["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (text, reason)
    assert engine.running == 0


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_both_limits_end_the_answer(script, field):
    client, engine = script(TEXT)
    body = chat(client, **{field: 2, "max_tokens": 2} if field == "max_tokens" else {field: 2, "max_tokens": 9}).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 2
    assert engine.requests[0].options.max_new_tokens == 2


def test_null_is_unset_and_unknown_fields_are_tolerated(script):
    client, engine = script("가")
    names = (
        "model max_tokens max_completion_tokens temperature top_p n seed stop stream stream_options presence_penalty"
        " frequency_penalty logit_bias logprobs top_logprobs tools tool_choice response_format functions audio"
        " reasoning_effort modalities"
    )
    response = chat(client, **dict.fromkeys(names.split()), something_new={"a": [1]}, user="u", metadata={"k": "v"})
    assert response.status_code == 200
    options = engine.requests[0].options
    assert (options.temperature, options.top_p, options.seed, options.top_logprobs) == (0, 1, None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("tool_choice", "required"),
        ("functions", [{"name": "f"}]),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "a"}),
        ("reasoning_effort", "high"),
        ("top_k", 5),
        ("min_p", 0.1),
        ("repetition_penalty", 1.1),
        ("guided_whitespace_pattern", " "),
        ("best_of", 2),
    ],
)
def test_a_known_field_without_support_is_400_and_never_ignored(script, field, value):
    client, engine = script("가")
    check_error(chat(client, **{field: value}), 400, field, "unsupported_parameter")
    assert not engine.requests


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"frequency_penalty": -3}, "frequency_penalty"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 101}, "max_completion_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop.0"),
        ({"stop": 1}, "stop"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"logit_bias": {"999999": 1}}, "logit_bias"),
        ({"logit_bias": {"-1": 1}}, "logit_bias"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5"),
        ({"logit_bias": {str(n): 1 for n in range(1025)}}, "logit_bias"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"seed": 2**63}, "seed"),
        ({"stream": "yes"}, "stream"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages.0.content"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "messages"),
        ({"messages": [{"role": "system", "content": "a"}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages.0.role"),
        ({"messages": [{"role": "king", "content": "a"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages.0.content.0"),
    ],
)
def test_a_wrong_value_names_its_field(script, fields, param):
    client, engine = script("가")
    check_error(chat(client, **fields), 400, param)
    assert not engine.requests


def test_another_model_is_404_and_both_names_are_known(script):
    client, _engine = script("가")
    check_error(chat(client, model="gpt-4o"), 404, "model", "model_not_found")
    assert chat(client, model="tiny").status_code == chat(client, model="tiny:0123456789ab").status_code == 200
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["tiny:0123456789ab"]
    model = client.get("/v1/models/tiny:0123456789ab").json()
    assert (model["object"], model["max_model_len"], model["licences"]) == ("model", 128, ["Apache-2.0"])


@pytest.mark.parametrize("fields", [{"messages": [{"role": "user", "content": "가 " * 200}]}, {"max_tokens": 100}])
def test_a_context_overflow_has_the_code_and_the_words_that_clients_look_for(script, fields):
    client, _engine = script("가")
    fields = {"messages": [{"role": "user", "content": "가 " * 20}], **fields}
    message = check_error(chat(client, **fields), 400, "messages", "context_length_exceeded")
    assert "prompt is too long; it exceeds the context window" in message


def test_every_sampling_field_reaches_the_engine_and_each_answer_has_its_seed(script):
    client, engine = script("가")
    fields = {"temperature": 0.7, "top_p": 0.9, "presence_penalty": 1, "frequency_penalty": -1, "seed": 2**63 - 1}
    body = chat(client, n=3, logit_bias={"5": -100}, **fields).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    options = [request.options for request in engine.requests]
    assert [option.seed for option in options] == [2**63 - 1, -(2**63), -(2**63) + 1]
    assert {(o.temperature, o.top_p, o.presence_penalty, o.frequency_penalty) for o in options} == {(0.7, 0.9, 1, -1)}
    assert options[0].logit_bias == {5: -100}


@pytest.mark.parametrize(("fields", "tokens", "reason"), [({}, 1, "stop"), ({"ignore_eos": True}, 5, "length")])
def test_an_end_token_ends_the_answer_unless_it_is_ignored(served, client, fields, tokens, reason):
    body = chat(client, max_tokens=5, logit_bias={str(served.model.manifest.end_id): 100}, **fields).json()
    assert body["usage"]["completion_tokens"] == tokens
    assert body["choices"][0]["finish_reason"] == reason
    assert body["choices"][0]["message"]["content"] == ""


def test_each_answer_of_a_stream_has_its_role_and_its_end(script, read_events):
    client, _engine = script(TEXT)
    *events, _end = read_events(chat(client, n=3, stream=True).text)
    for index in range(3):
        own = [event["choices"][0] for event in events if event["choices"][0]["index"] == index]
        assert own[0]["delta"]["role"] == "assistant"
        assert "".join(choice["delta"].get("content", "") for choice in own) == TEXT
        assert own[-1]["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_belong_to_the_tokens_of_the_text(script, read_events, stream):
    client, engine = script("가나다")
    response = chat(client, logprobs=True, top_logprobs=2, stream=stream)
    if stream:
        *events, _end = read_events(response.text)
        content = [
            token
            for event in events
            for choice in event["choices"]
            for token in (choice["logprobs"] or {"content": []})["content"]
        ]
    else:
        content = response.json()["choices"][0]["logprobs"]["content"]
    assert bytes(byte for token in content for byte in token["bytes"]).decode() == "가나다"
    assert len(content) == len(engine.script)
    assert all(len(token["top_logprobs"]) == 2 and math.isfinite(token["logprob"]) for token in content)


def build_prompts(served, *conversations):
    return [served.tokenizer.decode(ids) for ids in conversations]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "가나"}],
        [{"role": "user", "content": [{"type": "text", "text": "가"}, {"type": "text", "text": "나"}]}],
        [{"role": "system", "content": "규칙"}, {"role": "user", "content": "가나"}],
        [{"role": "developer", "content": "규칙"}, {"role": "user", "content": "가나"}],
        [
            {"role": "user", "content": "가"},
            {"role": "assistant", "content": "나"},
            {"role": "user", "content": " 다 "},
        ],
    ],
)
@pytest.mark.parametrize("splits", [False, True])
@pytest.mark.parametrize("format", ["koalpaca", "chat"])
def test_the_prompt_is_the_one_of_the_packaged_chat_template(served, served_chat, messages, splits, format):
    from dataclasses import replace

    from seodang.service.routes.openai_requests import ChatMessage, build_conversation

    context = served if format == "koalpaca" else served_chat
    import copy

    tokenizer = copy.deepcopy(context.model.tokenizer)
    template = build_chat_template(format, context.model.tokenizer, splits_input=splits)
    if format == "koalpaca":
        tokenizer.chat_template = template
    model = replace(context.model, tokenizer=tokenizer)
    messages = [*messages[:-1], {**messages[-1]}]
    if isinstance(messages[-1]["content"], str):
        messages[-1]["content"] += "\n\n맥락"
    conversation = build_conversation([ChatMessage(**message) for message in messages])
    expected = tokenizer.apply_chat_template(
        messages, chat_template=template, tokenize=False, add_generation_prompt=True
    )
    assert tokenizer.decode(model.encode_conversation(conversation)) == expected


@pytest.mark.parametrize("marker", ["<|end|>", "<|user|>", "<|assistant|>", "<|pad|>"])
@pytest.mark.parametrize("place", ["user", "system", "developer", "prefill", "earlier", "input", "completion"])
def test_a_marker_in_a_text_stays_text(served, served_chat, marker, place, build_client):
    from tests.service.conftest import ScriptedEngine

    from seodang.service.context import ServiceContext

    for context in (served, served_chat):
        engine = ScriptedEngine([], context.model.manifest.end_id)
        client = build_client(ServiceContext(context.model, engine))
        user = {"role": "user", "content": "가"}

        def send(text, place=place, user=user, client=client):
            if place == "completion":
                return client.post("/v1/completions", json={"prompt": text, "max_tokens": 1})
            messages = {
                "user": [{"role": "user", "content": f"가{text}"}],
                "system": [{"role": "system", "content": f"가{text}"}, user],
                "developer": [{"role": "developer", "content": f"가{text}"}, user],
                "prefill": [user, {"role": "assistant", "content": f"가{text}"}],
                "earlier": [user, {"role": "assistant", "content": f"가{text}"}, user],
                "input": [{**user, "input": f"가{text}"}],
            }[place]
            return client.post(PATH, json={"messages": messages})

        special = set(context.model.tokenizer.all_special_ids)
        for text in (marker, "x"):
            assert send(text).status_code == 200
        counts = [sum(token in special for token in request.prompt) for request in engine.requests]
        assert counts[0] == counts[1]


def test_a_prefilled_answer_is_continued(served, client):
    first = chat(client, messages=MESSAGES).json()["choices"][0]["message"]["content"]
    answer = chat(client, messages=[{**MESSAGES[0], "content": KOREAN[0], "input": KOREAN[1]}]).json()["choices"][0][
        "message"
    ]["content"]
    assert answer == KOREAN[2]
    assert first
    messages = [{"role": "user", "content": KOREAN[0], "input": KOREAN[1]}, {"role": "assistant", "content": "부"}]
    assert chat(client, messages=messages).json()["choices"][0]["message"]["content"] == "정"
