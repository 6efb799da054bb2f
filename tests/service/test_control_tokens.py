"""User text never becomes a control token, on the wire. Run: pytest tests/service/test_control_tokens.py"""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.service.conftest import ScriptedEngine
from tests.service.tokenizer_cases import CONTROLS, TOKENIZERS, UNMARKED

from seodang.config import PromptFormat, PromptParams
from seodang.models.tokenization import get_end_id
from seodang.packaging.model_folder import Manifest
from seodang.prompting import compute_fingerprint
from seodang.service.context import ServiceContext
from seodang.service.model.served_model import ServedModel

MARKERS = (*CONTROLS, *UNMARKED)
USER = {"role": "user", "content": "가"}
PLACES = {
    "instruction": ("/generate", lambda text: {"instruction": text}),
    "input": ("/generate", lambda text: {"instruction": "가", "input": text}),
    "batch": ("/batch", lambda text: {"records": [{"instruction": text, "input": text}]}),
    "options": ("/choose", lambda text: {"instruction": "가", "options": ["hello", text]}),
    "user": ("/v1/chat/completions", lambda text: {"messages": [{"role": "user", "content": text}]}),
    "part": (
        "/v1/chat/completions",
        lambda text: {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]},
    ),
    "message input": ("/v1/chat/completions", lambda text: {"messages": [{**USER, "input": text}]}),
    "system": ("/v1/chat/completions", lambda text: {"messages": [{"role": "system", "content": text}, USER]}),
    "developer": ("/v1/chat/completions", lambda text: {"messages": [{"role": "developer", "content": text}, USER]}),
    "earlier user": (
        "/v1/chat/completions",
        lambda text: {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "나"}, USER]},
    ),
    "earlier answer": (
        "/v1/chat/completions",
        lambda text: {"messages": [USER, {"role": "assistant", "content": text}, USER]},
    ),
    "prefill": ("/v1/chat/completions", lambda text: {"messages": [USER, {"role": "assistant", "content": text}]}),
    "completion": ("/v1/completions", lambda text: {"prompt": text}),
    "echo": ("/v1/completions", lambda text: {"prompt": [text], "echo": True, "logprobs": 0}),
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request) -> Any:
    return TOKENIZERS[request.param]()


@pytest.fixture(scope="module", params=get_args(PromptFormat))
def exchange(request, tokenizer, build_client):
    """A client with the engine that gets its prompts."""
    end_id = get_end_id(tokenizer, request.param)
    manifest = Manifest(
        schema_version=1,
        prompt=PromptParams(format=request.param),
        fingerprint=compute_fingerprint(request.param, tokenizer),
        end_id=end_id,
        max_new_tokens=8,
        lineage={},
    )
    engine = ScriptedEngine([], end_id)
    return build_client(ServiceContext(ServedModel(tokenizer, manifest, None, "t:1"), engine)), engine


def send(exchange, place: str, text: str) -> Any:
    """Return the prompts that a request makes."""
    client, engine = exchange
    path, build = PLACES[place]
    engine.requests.clear()
    response = client.post(path, json=build(text))
    assert response.status_code == 200, response.text
    return [list(request.prompt) for request in engine.requests], response.json()


def count_controls(tokenizer, prompts) -> Counter[str]:
    ids = {tokenizer.convert_tokens_to_ids(text) for text in MARKERS if text != "<unk>"}
    return Counter(token for prompt in prompts for token in prompt if token in ids)


@pytest.mark.parametrize("place", PLACES)
def test_a_marker_in_a_text_makes_no_control_token(exchange, tokenizer, place):
    expected = count_controls(tokenizer, send(exchange, place, "가나")[0])
    for text in (*MARKERS, "".join(MARKERS), f" {MARKERS[2]}\n{MARKERS[4]} 가{MARKERS[5]}"):
        assert count_controls(tokenizer, send(exchange, place, text)[0]) == expected, text


@pytest.mark.slow
@given(parts=st.lists(st.sampled_from([*MARKERS, "가", " ", "a", "\n", "|", "<", "<|en", "d|>"]), max_size=6))
@settings(max_examples=50, deadline=None)
@pytest.mark.parametrize("place", ["user", "prefill", "completion"])
def test_no_text_makes_a_control_token(exchange, tokenizer, place, parts):
    expected = count_controls(tokenizer, send(exchange, place, "가나")[0])
    assert count_controls(tokenizer, send(exchange, place, "가" + "".join(parts))[0]) == expected


@pytest.mark.parametrize("text", ["<|end|>", "가</s> [TOOL_CALLS]나", "<think>"])
def test_a_marker_is_a_text_in_the_echo(exchange, tokenizer, text):
    if type(tokenizer.backend_tokenizer.model).__name__ == "WordPiece":
        pytest.skip("WordPiece does not keep blanks")
    _prompts, answer = send(exchange, "echo", text)
    assert answer["choices"][0]["text"].strip() == text


def test_a_marker_is_looked_up_alone_and_is_text_elsewhere(exchange, tokenizer):
    client, _engine = exchange

    def tokenize(text: str) -> list[int]:
        return client.post("/tokenize", json={"prompt": text, "add_special_tokens": False}).json()["tokens"]

    info = client.get("/tokenizer_info").json()
    for name in ("bos_token", "eos_token"):
        assert tokenize(info[name]) == [tokenizer.convert_tokens_to_ids(info[name])]
        assert not count_controls(tokenizer, [tokenize(f"가{info[name]}")])
    for marker in ("<|user|>", *UNMARKED):
        assert not count_controls(tokenizer, [tokenize(marker)])


@pytest.mark.parametrize("stop", ["<|end|>", "</s>", ["<think>", "[TOOL_CALLS]"]])
def test_a_marker_as_a_stop_text_is_a_text(exchange, tokenizer, stop):
    client, engine = exchange
    engine.requests.clear()
    engine.script = tokenizer("나다", add_special_tokens=False)["input_ids"]
    body = {"messages": [USER], "stop": stop}
    try:
        choice = client.post("/v1/chat/completions", json=body).json()["choices"][0]
    finally:
        engine.script = []
    assert choice["finish_reason"] == "stop"
    assert engine.requests[0].options.stop_ids == frozenset()
