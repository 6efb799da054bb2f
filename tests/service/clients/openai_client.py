"""A program that uses the `openai` package against a server. It runs in an environment of its own.

Run: python openai_client.py URL KEY. It prints one line for each case, and fails at the first one that is wrong.
"""

import asyncio
import sys
import time

import openai

URL, KEY = sys.argv[1:]
client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
(model,) = [model.id for model in client.models.list()]
messages = [{"role": "user", "content": "이 영화는 너무 지루해"}]


def check(case: str, value: object) -> None:
    assert value, case
    print(f"{case}: {value!r}", flush=True)


def expect(case: str, error: type[Exception], **fields: object) -> None:
    try:
        client.chat.completions.create(**{"model": model, "messages": messages, **fields})
    except error as caught:
        check(case, (type(caught).__name__, getattr(caught, "status_code", None), getattr(caught, "param", None)))
    else:
        raise AssertionError(case)


check("model", client.models.retrieve(model).id)
answer = client.chat.completions.create(model=model, messages=messages, temperature=0)
check("chat", (answer.choices[0].message.content, answer.choices[0].finish_reason, answer.usage.to_dict()))
with client.chat.completions.create(
    model=model, messages=messages, temperature=0, stream=True, stream_options={"include_usage": True}
) as stream:
    chunks = list(stream)
text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
assert text == answer.choices[0].message.content
check("stream", (len(chunks), chunks[0].choices[0].delta.role, chunks[-1].usage == answer.usage))
with client.chat.completions.stream(model=model, messages=messages, temperature=0) as events:
    kinds = [event.type for event in events]
    final = events.get_final_completion()
assert final.choices[0].message.content == text
check("stream helper", (kinds[0], kinds[-1], final.choices[0].finish_reason))
seeds = [
    client.chat.completions.create(model=model, messages=messages, temperature=1.5, seed=7, n=2).choices for _ in "ab"
]
check("seed", [choice.message.content for choice in seeds[0]] == [choice.message.content for choice in seeds[1]])
logprobs = (
    client.chat.completions.create(
        model=model, messages=messages, logprobs=True, top_logprobs=3, max_completion_tokens=2
    )
    .choices[0]
    .logprobs
)
check("logprobs", [len(token.top_logprobs) for token in logprobs.content])
echo = client.completions.create(model=model, prompt="영화는", echo=True, logprobs=1, max_tokens=1).choices[0]
check("echo", (echo.text.startswith("영화는"), echo.logprobs.token_logprobs[0] is None, echo.finish_reason))
parts = client.completions.create(model=model, prompt=["영화는", "가"], max_tokens=3, stream=True)
check("streamed prompts", sorted({choice.index for part in parts for choice in part.choices}) == [0, 1])
raw = client.chat.completions.with_raw_response.create(
    model=model, messages=messages, extra_headers={"X-Request-Id": "raw-1"}
)
check("raw response", (raw.status_code, raw.headers["x-request-id"], raw.parse()._request_id))
assert text.encode() in raw.content, "Hangul is UTF-8"
with client.chat.completions.with_streaming_response.create(model=model, messages=messages, stream=True) as response:
    lines = [line for line in response.iter_lines() if line]
assert all(line.startswith("data: ") for line in lines)
check("raw stream", (lines[-1], response.headers["content-type"]))


async def use_async_client() -> list[str]:
    async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as asynchronous:
        requests = [
            asynchronous.chat.completions.create(model=model, messages=messages, temperature=0) for _ in range(8)
        ]
        answers = [answer.choices[0].message.content for answer in await asyncio.gather(*requests)]
        stream = await asynchronous.chat.completions.create(model=model, messages=messages, stream=True)
        streamed = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
    return [*answers, "".join(streamed)]


check("8 async answers and a stream", set(asyncio.run(use_async_client())) == {text})
expect("unknown model", openai.NotFoundError, model="gpt-4o")
expect("overflow", openai.BadRequestError, messages=[{"role": "user", "content": "가 " * 100_000}])
expect("tools", openai.BadRequestError, tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])


def count_attempts(case: str, header: str, **fields: object) -> None:
    """Send a request through a client that retries; the server counts how often it comes."""
    retrying = client.with_options(max_retries=3)
    start = time.monotonic()
    try:
        retrying.chat.completions.create(
            **{"model": model, "messages": messages, **fields}, extra_headers={"X-Test": header}
        )
        outcome = "answered"
    except openai.APIStatusError as error:
        outcome = type(error).__name__
    attempts = client.get("/../attempts", cast_to=dict[str, int])[header]
    assert (attempts > 1) is (header[:4] != "none"), (case, outcome, attempts)
    assert time.monotonic() - start >= attempts - 1, "Retry-After is one second"
    check(case, (outcome, attempts))


count_attempts("429 is retried after Retry-After", "full-2")
count_attempts("503 is retried after Retry-After", "stopping-1")
count_attempts("429 is given up", "full-9")
count_attempts("400 is not retried", "none-1", temperature=9)
count_attempts("404 is not retried", "none-2", model="gpt-4o")
count_attempts("overflow is not retried", "none-3", messages=[{"role": "user", "content": "가 " * 999}])
client.api_key = "wrong"
expect("wrong key", openai.AuthenticationError)
print("all cases hold")
