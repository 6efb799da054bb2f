"""Fields of OpenAI's and vLLM's requests: each one has an effect, is refused, or only describes the request.

The names are those of the requests in openai 3.57.0 and vLLM 0.32.0, which stand there for the clients of both.
"""

from __future__ import annotations

import itertools
import json
import types
import typing
from collections.abc import Iterator
from typing import Any, Final

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from seodang.service.http.api_error import build_validation_error
from seodang.service.routes.feedback import FeedbackRequest
from seodang.service.routes.native_requests import (
    BatchRequest,
    ChooseRequest,
    DetokenizeRequest,
    GenerateRequest,
    TokenizeRequest,
)
from seodang.service.routes.openai_requests import ChatRequest, CompletionRequest

CHAT: Final = "/v1/chat/completions"
TEXT: Final = "/v1/completions"
BODIES: Final[dict[str, tuple[type[BaseModel], dict[str, Any]]]] = {
    CHAT: (ChatRequest, {"messages": [{"role": "user", "content": "가"}]}),
    TEXT: (CompletionRequest, {"prompt": "가"}),
    "/generate": (GenerateRequest, {"instruction": "가"}),
    "/choose": (ChooseRequest, {"instruction": "가", "options": ["가", "나"]}),
    "/batch": (BatchRequest, {"records": [{"instruction": "가"}]}),
    "/feedback": (FeedbackRequest, {"id": "gen-0", "rating": "up"}),
    "/tokenize": (TokenizeRequest, {"prompt": "가"}),
    "/detokenize": (DetokenizeRequest, {"tokens": [20]}),
}
OPENAI: Final = {
    CHAT: "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages"
    " metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key"
    " prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier"
    " stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity"
    " web_search_options",
    TEXT: "best_of echo frequency_penalty logit_bias logprobs max_tokens model n presence_penalty prompt seed stop stream"
    " stream_options suffix temperature top_p user",
}
VLLM: Final = {
    CHAT: "add_generation_prompt chat_template chat_template_kwargs continue_final_message documents echo"
    " include_reasoning media_io_kwargs mm_processor_kwargs return_prompt_text",
    TEXT: "prompt_embeds response_format",
}
VLLM_BOTH: Final = (
    "add_special_tokens allowed_token_ids bad_words cache_salt ec_transfer_params ignore_eos include_stop_str_in_output"
    " kv_transfer_params length_penalty logprob_token_ids min_p min_tokens mm_payload priority prompt_logprobs"
    " repetition_detection repetition_penalty request_id return_mm_kwargs return_token_ids return_token_offsets"
    " return_tokens_as_token_ids routed_experts_prompt_start session_id skip_special_tokens"
    " spaces_between_special_tokens stop_token_ids stream_interval structured_outputs thinking_token_budget top_k"
    " truncate_prompt_tokens truncation_side use_beam_search vllm_xargs watermarking"
)
# The answer, and what is returned with it, is the same with any value.
DESCRIPTIVE: Final = frozenset(
    "include_reasoning media_io_kwargs metadata mm_payload mm_processor_kwargs prompt_cache_key prompt_cache_options"
    " prompt_cache_retention request_id return_mm_kwargs routed_experts_prompt_start"
    " safety_identifier session_id spaces_between_special_tokens stream_interval truncation_side user".split()
)
# A value that asks for what the service lacks; values that change nothing.
REFUSED: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "add_generation_prompt": (False, (True,)),
    "allowed_token_ids": ([20], ()),
    "audio": ({"voice": "a", "format": "wav"}, ()),
    "bad_words": (["가"], ([],)),
    "best_of": (3, (1,)),
    "cache_salt": ("salt", ()),
    "chat_template": ("{{ messages }}", ()),
    "chat_template_kwargs": ({"enable_thinking": False}, ({},)),
    "continue_final_message": (True, (False,)),
    "documents": ([{"title": "a", "text": "b"}], ([],)),
    "ec_transfer_params": ({"a": 1}, ({},)),
    "function_call": ({"name": "f"}, ("none", "auto")),
    "functions": ([{"name": "f"}], ([],)),
    "include_stop_str_in_output": (True, (False,)),
    "kv_transfer_params": ({"a": 1}, ({},)),
    "length_penalty": (0.5, (1, 1.0)),
    "logprob_token_ids": ([20], ([],)),
    "min_p": (0.1, (0, 0.0)),
    "min_tokens": (3, (0,)),
    "modalities": (["text", "audio"], (["text"],)),
    "moderation": ({"model": "a"}, ()),
    "prediction": ({"type": "content", "content": "a"}, ()),
    "priority": (1, (0,)),
    "prompt_embeds": ("AAAA", ([],)),
    "prompt_logprobs": (1, ()),
    "reasoning_effort": ("high", ("none",)),
    "repetition_detection": ({"max_pattern_size": 2}, ()),
    "repetition_penalty": (1.1, (1, 1.0)),
    "return_prompt_text": (True, (False,)),
    "return_token_ids": (True, (False,)),
    "return_token_offsets": (True, (False,)),
    "return_tokens_as_token_ids": (True, (False,)),
    "service_tier": ("flex", ("auto", "default")),
    "skip_special_tokens": (False, (True,)),
    "stop_token_ids": ([20], ([],)),
    "store": (True, (False,)),
    "suffix": ("나", ("",)),
    "thinking_token_budget": (5, (-1,)),
    "top_k": (5, (0, -1)),
    "truncate_prompt_tokens": (5, ()),
    "use_beam_search": (True, (False,)),
    "verbosity": ("low", ()),
    "vllm_xargs": ({"a": 1}, ({},)),
    "watermarking": (True, (False,)),
    "web_search_options": ({}, ()),
}
REFUSED_ON: Final[dict[str, dict[str, tuple[Any, tuple[Any, ...]]]]] = {
    CHAT: {"add_special_tokens": (True, (False,)), "echo": (True, (False,)), "prompt": ("가", ())},
    TEXT: {
        "add_special_tokens": (False, (True,)),
        "messages": ([{"role": "user", "content": "가"}], ()),
        "top_logprobs": (2, (0,)),
    },
    "/tokenize": {"return_token_strs": (True, (False,))},
}


def list_refused() -> Iterator[tuple[str, str, Any, tuple[Any, ...]]]:
    for path in (CHAT, TEXT):
        chat_only = {
            "add_generation_prompt",
            "continue_final_message",
            "chat_template",
            "chat_template_kwargs",
            "documents",
        }
        for name, (value, neutral) in {**REFUSED, **REFUSED_ON[path]}.items():
            if path == CHAT or name not in chat_only:
                yield path, name, value, neutral
    yield from (("/tokenize", name, *values) for name, values in REFUSED_ON["/tokenize"].items())


@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_every_field_of_openai_and_vllm_is_known(path):
    names = f"{OPENAI[path]} {VLLM[path]} {VLLM_BOTH}".split()
    supported = set(BODIES[path][0].model_fields)
    refused = {name for place, name, _value, _neutral in list_refused() if place == path}
    assert [name for name in names if name not in supported | refused | DESCRIPTIVE] == []
    assert not supported & refused, "a field is supported or refused"


@pytest.mark.parametrize(("path", "name", "value"), [case[:3] for case in list_refused()])
def test_a_field_without_support_is_refused(client, path, name, value):
    response = client.post(path, json={**BODIES[path][1], name: value})
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, name, "unsupported_parameter")


@pytest.mark.parametrize("path", [CHAT, TEXT, "/tokenize"])
def test_values_that_change_nothing_are_accepted(client, path):
    fields = {name: (*neutral, None) for place, name, _value, neutral in list_refused() if place == path}
    plain = client.post(path, json=BODIES[path][1]).json()
    for number in range(max(map(len, fields.values()))):
        chosen = {name: values[min(number, len(values) - 1)] for name, values in fields.items()}
        response = client.post(path, json={**BODIES[path][1], **chosen})
        assert response.status_code == 200, response.json()
        assert response.json().get("usage") == plain.get("usage")


@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_a_field_that_describes_the_request_is_tolerated(client, path):
    assert client.post(path, json={**BODIES[path][1], **dict.fromkeys(DESCRIPTIVE, "a")}).status_code == 200


@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_an_option_of_a_stream_without_support_is_refused(client, path):
    options = {"include_obfuscation": True}
    response = client.post(path, json={**BODIES[path][1], "stream": True, "stream_options": options})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "stream_options.include_obfuscation")


def test_whether_the_last_message_is_continued_can_be_said(script):
    client, engine = script("가")
    messages = [{"role": "user", "content": "가"}, {"role": "assistant", "content": "나"}]
    for fields in ({"continue_final_message": True}, {"add_generation_prompt": False}, {}):
        assert client.post(CHAT, json={"messages": messages, **fields}).status_code == 200
    assert len({request.prompt for request in engine.requests}) == 1
    for fields in ({"continue_final_message": False}, {"add_generation_prompt": True}):
        assert client.post(CHAT, json={"messages": messages, **fields}).status_code == 400


def test_both_limits_are_those_of_completions_too(script):
    client, engine = script("가나다라마바사")
    for fields, count in (({"max_completion_tokens": 2}, 2), ({"max_tokens": 5, "max_completion_tokens": 3}, 3)):
        answer = client.post(TEXT, json={"prompt": "가", **fields}).json()
        assert answer["usage"]["completion_tokens"] == engine.requests[-1].options.max_new_tokens == count
    response = client.post(TEXT, json={"prompt": "가", "max_completion_tokens": 101})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "max_completion_tokens")


@pytest.mark.parametrize("path", [CHAT, TEXT])
@pytest.mark.parametrize("has_usage", [True, False])
def test_every_chunk_has_the_usage_so_far_on_request(script, read_events, path, has_usage):
    client, _engine = script("가나다")
    options = {"include_usage": has_usage, "continuous_usage_stats": True}
    text = client.post(path, json={**BODIES[path][1], "stream": True, "stream_options": options}).text
    *chunks, _end = read_events(text)
    if not has_usage:
        assert all("usage" not in chunk for chunk in chunks)
        return
    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert counts == sorted(counts)
    complete = client.post(path, json=BODIES[path][1]).json()["usage"]["completion_tokens"]
    assert 1 <= counts[0] < counts[-1] == complete
    assert all(
        chunk["usage"]["total_tokens"] == chunk["usage"]["prompt_tokens"] + chunk["usage"]["completion_tokens"]
        for chunk in chunks
    )


def list_models(kind: Any) -> set[type[BaseModel]]:
    """Return the models of a type, nested ones included."""
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias) and issubclass(kind, BaseModel):
        nested = [list_models(field.annotation) for field in kind.model_fields.values()]
        return {kind}.union(*nested)
    return set().union(*map(list_models, typing.get_args(kind)))


@pytest.mark.parametrize("model", sorted(set().union(*(list_models(kind) for kind, _body in BODIES.values())), key=str))
def test_null_is_an_unset_field_everywhere(model):
    for field in model.model_fields.values():
        if not field.is_required():
            TypeAdapter(field.rebuild_annotation()).validate_python(None)


VALUES: Final = (5, -1, 1.5, True, "가", "", [], [5], ["가"], [[]], [["가"]], [None], {}, {"a": 1}, [{}], [{"type": 5}])


@pytest.mark.parametrize("path", BODIES)
def test_an_error_names_the_place_as_the_sender_wrote_it(path):
    kind, body = BODIES[path]
    errors = 0
    for name, value, nested in itertools.product(kind.model_fields, VALUES, (None, "json", "function", "schema")):
        content = value if nested is None else {nested: value, "type": "json_schema"}
        try:
            kind.model_validate_json(json.dumps({**body, name: content}))
        except ValidationError as error:
            errors += 1
            place = (build_validation_error(error).param or "").split(".")
            assert place[0] == name
            assert all(part.replace("_", "a").isalnum() for part in place), place
    assert errors


@pytest.mark.parametrize("path", BODIES)
def test_no_error_of_a_field_is_english_on_a_korean_server(path, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    kind, body = BODIES[path]
    for name, value in itertools.product((*kind.model_fields, "something_new"), (*VALUES, 1e300, ["가"] * 200)):
        try:
            kind.model_validate_json(json.dumps({**body, name: value}))
        except ValidationError as error:
            _place, _colon, rule = build_validation_error(error).message.partition(": ")
            assert any("가" <= character <= "힣" for character in rule), rule


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (TEXT, {"prompt": 5}, "prompt"),
        (TEXT, {"prompt": ["가", 5]}, "prompt.1"),
        (TEXT, {"prompt": [5, "가"]}, "prompt.1"),
        (TEXT, {"prompt": [[5], "가"]}, "prompt.1"),
        (TEXT, {"prompt": [[5]] * 129}, "prompt"),
        (CHAT, {"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        (CHAT, {"messages": [{"role": "user", "content": [{}]}]}, "messages.0.content.0.type"),
        (CHAT, {"tool_choice": {"type": "custom"}}, "tool_choice.type"),
        (CHAT, {"tool_choice": "any"}, "tool_choice"),
        (CHAT, {"stop": ["가", ""]}, "stop.1"),
        (TEXT, {"stop": 5}, "stop"),
        ("/generate", {"guided_json": 5}, "guided_json"),
        ("/generate", {"structured_outputs": {"json": [1]}}, "structured_outputs.json"),
        ("/batch", {"records": [{"instruction": "가"}, {"instruction": "가 " * 500}]}, "records.1.instruction"),
    ],
)
def test_the_type_of_a_union_is_no_part_of_the_place(client, path, fields, param):
    response = client.post(path, json={**BODIES[path][1], **fields})
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
