"""The cases of the contract, by its lines."""

from __future__ import annotations

import json

from conformance_cases import CHAT, QUESTION, Server, case, check_error, check_finite, read_answer, read_stream

USER = {"role": "user", "content": QUESTION}


@case(1, "unknown route: 404 in OpenAI's shape")
def _unknown_route(server: Server) -> str:
    return check_error(server.send("GET", "/v1/nowhere"), 404)


@case(1, "wrong method: 405 in OpenAI's shape, with Allow")
def _wrong_method(server: Server) -> str:
    reply = server.send("GET", CHAT)
    assert "allow" in reply.headers, f"status {reply.status} without Allow"
    return check_error(reply, 405)


@case(1, "body that is no object: 400 in OpenAI's shape")
def _no_object(server: Server) -> str:
    return check_error(server.send("POST", CHAT, b"[1]"), 400)


@case(1, "body that is no JSON: 400 in OpenAI's shape")
def _no_json(server: Server) -> str:
    return check_error(server.send("POST", CHAT, b"{"), 400)


@case(1, "multipart body: 4xx in OpenAI's shape")
def _multipart(server: Server) -> str:
    return check_error(server.send("POST", CHAT, b"--x--", "multipart/form-data; boundary=x"), 400, 415)


@case(1, "unknown model: 404 in OpenAI's shape")
def _unknown_model(server: Server) -> str:
    return check_error(server.chat(model="no-such-model"), 404)


@case(1, "value out of range (temperature 9): 400 that names the field")
def _out_of_range(server: Server) -> str:
    reply = server.chat(temperature=9)
    seen = check_error(reply, 400)
    assert reply.read()["error"]["param"] == "temperature", "without param"
    return seen


@case(2, "stream: first delta has the role, last chunk a finish reason, then [DONE]")
def _stream_frame(server: Server) -> str:
    _text, events = read_stream(server.chat(stream=True))
    assert events[-1] == "[DONE]", "no [DONE]"
    assert events[0]["choices"][0]["delta"].get("role") == "assistant", "no role"
    assert events[-2]["choices"][0]["finish_reason"], "no finish reason"
    return f"{len(events)} events"


@case(2, "usage chunk only with include_usage")
def _usage_chunk(server: Server) -> str:
    _text, events = read_stream(server.chat(stream=True))
    assert not any(event.get("usage") for event in events[:-1]), "usage without include_usage"
    _text, events = read_stream(server.chat(stream=True, stream_options={"include_usage": True}))
    last = events[-2] if events[-1] == "[DONE]" else events[-1]
    assert last["choices"] == [], "no usage chunk"
    assert last["usage"]["total_tokens"], "no usage"
    return "choices: []"


@case(2, "stream and complete answer are equal")
def _stream_text(server: Server) -> str:
    text, _events = read_stream(server.chat(stream=True, temperature=0))
    assert text == read_answer(server.chat(temperature=0))["message"]["content"], "other text"
    return text


@case(3, "max_tokens and max_completion_tokens limit the answer")
def _limits(server: Server) -> str:
    for fields in ({"max_tokens": 1}, {"max_tokens": None, "max_completion_tokens": 1}):
        reply = server.chat(**fields)
        choice = read_answer(reply)
        assert choice["finish_reason"] == "length", f"{fields}: {choice['finish_reason']}"
        assert reply.read()["usage"]["completion_tokens"] == 1, f"{fields}: more tokens"
    return "length"


@case(3, "null for optional fields is unset")
def _nulls(server: Server) -> str:
    names: str = (
        "temperature top_p n stop seed logit_bias tools tool_choice response_format stream_options user logprobs"
    )
    return str(read_answer(server.chat(QUESTION, **dict.fromkeys(names.split())))["finish_reason"])


@case(3, "unknown fields are tolerated")
def _unknown_field(server: Server) -> str:
    return str(read_answer(server.chat(something_new={"a": 1}))["finish_reason"])


@case(3, "a known field without support (audio output) is 400, not ignored")
def _unsupported(server: Server) -> str:
    return check_error(server.chat(modalities=["text", "audio"], audio={"voice": "a", "format": "wav"}), 400)


@case(4, "stop text ends the answer and is not in it")
def _stop_text(server: Server) -> str:
    answer = read_answer(server.chat(temperature=0))["message"]["content"]
    choice = read_answer(server.chat(temperature=0, stop=answer[-1]))
    assert choice["message"]["content"] == answer[:-1], f"{choice['message']['content']!r}"
    assert choice["finish_reason"] == "stop", choice["finish_reason"]
    return f"{answer!r} to {answer[:-1]!r}"


@case(4, "streamed Hangul has no U+FFFD")
def _whole_characters(server: Server) -> str:
    text, _events = read_stream(server.chat(stream=True, temperature=0))
    assert "\ufffd" not in text, repr(text)
    return repr(text)


@case(5, "n answers")
def _several(server: Server) -> str:
    reply = server.chat(n=2, temperature=1)
    read_answer(reply)
    assert len(reply.read()["choices"]) == 2, f"{len(reply.read()['choices'])} answer"
    return "2"


@case(5, "equal seeds give equal answers, others vary")
def _seeds(server: Server) -> str:
    def sample(seed: int) -> str:
        return str(read_answer(server.complete("영화", seed=seed, temperature=2, max_tokens=12))["text"])

    assert sample(3) == sample(3), "other text with the same seed"
    assert len({sample(seed) for seed in range(4)}) > 1, "the same text with other seeds"
    return "equal"


@case(5, "temperature 0 is greedy")
def _greedy(server: Server) -> str:
    answers = {read_answer(server.complete(temperature=0))["text"] for _ in range(4)}
    assert len(answers) == 1, f"{len(answers)} answers"
    return "equal"


@case(5, "logit_bias of 100 chooses the token")
def _bias(server: Server) -> str:
    texts = [
        read_answer(server.complete("a", max_tokens=1, temperature=0, logit_bias={str(token): 100}))["text"]
        for token in range(300, 304)
    ]
    assert len(set(texts)) > 1, f"{texts} for four tokens"
    return f"{texts}"


@case(5, "logprobs and top_logprobs of a chat")
def _chat_logprobs(server: Server) -> str:
    logprobs = read_answer(server.chat(logprobs=True, top_logprobs=2))["logprobs"]
    assert logprobs, f"{logprobs}"
    assert all(len(token["top_logprobs"]) == 2 for token in logprobs["content"]), f"{logprobs}"
    return f"{len(logprobs['content'])} tokens"


@case(5, "echo with log-probabilities of the prompt (lm-eval)")
def _echo(server: Server) -> str:
    choice = read_answer(server.complete("영화는 좋다", echo=True, logprobs=1, max_tokens=1))
    assert choice["text"].startswith("영화는 좋다"), f"{choice['text']!r}"
    assert choice["logprobs"], "no log-probabilities"
    check_finite(choice["logprobs"]["token_logprobs"])
    return f"{len(choice['logprobs']['tokens'])} tokens"


@case(5, "prompts as a list, and as token ids")
def _prompts(server: Server) -> str:
    for prompt, count in ((["가", "나"], 2), ([100, 101], 1), ([[100], [101]], 2)):
        reply = server.complete(prompt)
        read_answer(reply)
        assert len(reply.read()["choices"]) == count, f"{prompt}: {len(reply.read()['choices'])}"
    return "2, 1, 2"


@case(6, "response_format json_object gives JSON, or says length")
def _json_object(server: Server) -> str:
    choice = read_answer(server.chat(response_format={"type": "json_object"}, max_tokens=24))
    if choice["finish_reason"] != "length":
        json.loads(choice["message"]["content"])
    else:
        assert choice["message"]["content"].lstrip().startswith("{"), repr(choice["message"]["content"])
    return f"{choice['finish_reason']}: {choice['message']['content'][:20]!r}"


@case(6, "tools without a template for them: 400")
def _tools(server: Server) -> str:
    function = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    return check_error(server.chat(tools=[{"type": "function", "function": function}]), 400)


@case(7, "content as a list of text parts, and a developer message")
def _parts(server: Server) -> str:
    text = [{"type": "text", "text": QUESTION}]
    messages = [{"role": "developer", "content": "짧게"}, {"role": "user", "content": text}]
    return repr(read_answer(server.chat(messages=messages))["message"]["content"])


@case(7, "the beginning of an answer is continued")
def _prefill(server: Server) -> str:
    answer = read_answer(server.chat(temperature=0))["message"]["content"]
    messages = [USER, {"role": "assistant", "content": answer[0]}]
    rest = read_answer(server.chat(messages=messages, temperature=0))["message"]["content"]
    assert rest == answer[1:], f"{rest!r}, not {answer[1:]!r}"
    return f"{answer[0]!r} to {rest!r}"


@case(7, "overflow of the context: 400 context_length_exceeded")
def _overflow(server: Server) -> str:
    reply = server.chat("가 나 " * 3000)
    seen = check_error(reply, 400)
    assert "context_length_exceeded" in seen, seen
    assert "exceeds the context window" in reply.read()["error"]["message"], "other words"
    return seen


@case(7, "usage adds up, and system_fingerprint is the model's version")
def _usage(server: Server) -> str:
    content = server.chat().read()
    used = content["usage"]
    assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"] > 0, f"{used}"
    assert content.get("system_fingerprint"), "no system_fingerprint"
    return str(content["system_fingerprint"])


@case(8, "Hangul goes out as UTF-8")
def _utf8(server: Server) -> str:
    reply = server.chat(temperature=0)
    content = read_answer(reply)["message"]["content"]
    assert content.encode() in reply.body, "escaped"
    return repr(content)
