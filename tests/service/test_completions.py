"""POST /v1/completions, and what lm-evaluation-harness asks. Run: pytest tests/service/test_completions.py"""

from __future__ import annotations

import math

import pytest
import torch
from tests.service.test_errors import check_error

PATH = "/v1/completions"


def complete(client, prompt="가나", **fields):
    return client.post(PATH, json={"prompt": prompt, **fields})


def test_the_answer_continues_the_text_without_a_template(script, served):
    client, engine = script(" 다라 ")
    body = complete(client, "가나", max_tokens=50).json()
    assert body["object"] == "text_completion"
    assert body["choices"] == [{"index": 0, "text": " 다라 ", "logprobs": None, "finish_reason": "stop"}]
    assert list(engine.requests[0].prompt) == served.model.encoder.encode_text("가나")
    assert body["usage"]["prompt_tokens"] == len(engine.requests[0].prompt)


@pytest.mark.parametrize(("prompt", "count"), [("가", 1), (["가", "나"], 2), ([5, 6], 1), ([[5, 6], [7]], 2), ("", 1)])
def test_a_prompt_is_a_text_a_list_or_token_ids(script, served, prompt, count):
    client, engine = script("다")
    body = complete(client, prompt, n=2).json()
    assert [choice["index"] for choice in body["choices"]] == list(range(2 * count))
    assert len(engine.requests) == 2 * count
    assert all(request.prompt for request in engine.requests)
    if prompt == [5, 6]:
        assert engine.requests[0].prompt == (5, 6)


@pytest.mark.parametrize("prompt", [[], [[]], [[5], []], [10**6], [-1], ["가"] * 129, None, 5, [1.5], [["가"]]])
def test_another_prompt_is_400(script, prompt):
    client, engine = script("다")
    response = complete(client, prompt)
    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith("prompt")
    assert not engine.requests


@pytest.mark.parametrize(("field", "value"), [("suffix", "끝"), ("best_of", 3), ("min_tokens", 2)])
def test_a_known_field_without_support_is_400(script, field, value):
    client, _engine = script("다")
    check_error(complete(client, **{field: value}), 400, field, "unsupported_parameter")


def test_as_many_answers_as_are_computed_are_returned(script):
    client, _engine = script("다")
    assert len(complete(client, n=2, best_of=2).json()["choices"]) == 2
    check_error(complete(client, n=2, best_of=1), 400, "best_of", "unsupported_parameter")


@pytest.mark.parametrize("prompt", ["가나다 hello", [20, 30, 40, 50], ["가나다", "hello"]])
def test_echo_has_the_log_probabilities_of_the_prompt_as_the_model_computes_them(client, served, prompt):
    body = complete(client, prompt, echo=True, logprobs=1, max_tokens=1, temperature=0).json()
    for choice in body["choices"]:
        logprobs = choice["logprobs"]
        lengths = {len(logprobs[name]) for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")}
        assert len(lengths) == 1
        assert logprobs["token_logprobs"][0] is None
        assert logprobs["top_logprobs"][0] is None
        assert all(math.isfinite(value) for value in logprobs["token_logprobs"][1:])
        assert logprobs["text_offset"] == sorted(logprobs["text_offset"])
    ids = (
        prompt
        if isinstance(prompt[0], int)
        else served.model.encoder.encode_text([prompt, prompt[0]][len(prompt) == 2])
    )
    with torch.inference_mode():
        rows = served.engine._model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    expected = [float(rows[place, token]) for place, token in enumerate(ids[1:])]
    values = body["choices"][0]["logprobs"]["token_logprobs"]
    assert values[1 : len(ids)] == pytest.approx(expected, abs=1e-4)
    assert len(values) == len(ids) + 1
    if isinstance(prompt, str):
        assert body["choices"][0]["text"].startswith(prompt)


@pytest.mark.parametrize("stream", [False, True])
def test_the_end_token_is_the_last_one_of_the_log_probabilities(script, served, read_events, stream):
    """A harness asks for one token more than it scores, and drops the last one of the list."""
    client, _engine = script("")
    response = complete(client, "가나", logprobs=1, max_tokens=1, echo=not stream, stream=stream)
    choice = read_events(response.text)[0]["choices"][0] if stream else response.json()["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == ("" if stream else "가나", "stop")
    assert choice["logprobs"]["tokens"][-1] == "<|end|>"
    assert choice["logprobs"]["token_logprobs"][-1] == -0.5
    count = 1 if stream else len(served.model.encoder.encode_text("가나")) + 1
    assert {len(values) for values in choice["logprobs"].values()} == {count}


def test_echo_without_new_tokens_returns_the_prompt(client):
    body = complete(client, "가나다", echo=True, logprobs=2, max_tokens=0).json()
    choice = body["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == ("가나다", "length")
    assert body["usage"]["completion_tokens"] == 0
    assert all(len(top) >= 1 for top in choice["logprobs"]["top_logprobs"][1:])


def test_a_prompt_as_long_as_the_context_is_scored_and_a_longer_one_is_400(client):
    assert complete(client, [20] * 128, echo=True, logprobs=0, max_tokens=0).status_code == 200
    for ids, limit in (([20] * 129, 0), ([20] * 128, 1)):
        response = complete(client, ids, echo=True, logprobs=0, max_tokens=limit)
        assert "exceeds the context window" in check_error(response, 400, "prompt", "context_length_exceeded")


def test_a_stream_has_the_text_and_with_echo_the_prompt(script, read_events):
    client, _engine = script("라마 👍🏽")
    response = complete(client, "가나다", echo=True, stream=True, max_tokens=50, stream_options={"include_usage": True})
    *events, usage, end = read_events(response.text)
    assert "".join(event["choices"][0]["text"] for event in events) == "가나다라마 👍🏽"
    assert events[-1]["choices"][0]["finish_reason"] == "stop"
    assert (usage["choices"], end) == ([], "[DONE]")
    check_error(complete(client, echo=True, stream=True, logprobs=1), 400, "echo")


def test_a_harness_finds_the_tokens(client, served):
    info = client.get("/tokenizer_info").json()
    assert info["eos_token"] == "<|end|>"
    end = client.post("/tokenize", json={"prompt": info["eos_token"], "add_special_tokens": False}).json()["tokens"]
    assert end == [served.model.manifest.end_id]
    text = "가나 <|end|> hello"
    ids = client.post("/tokenize", json={"prompt": text, "add_special_tokens": False}).json()["tokens"]
    assert not set(ids) & set(served.model.tokenizer.all_special_ids)
    assert client.post("/detokenize", json={"tokens": ids}).json()["prompt"] == text
    check_error(client.post("/detokenize", json={"tokens": [10**6]}), 400, "tokens")
    check_error(client.post("/detokenize", json={"tokens": [-1]}), 400, "tokens.0")
