"""A program that uses the `openai` package against a server. It runs in an environment of its own.

Run: python openai_client.py URL. It prints one line for each case, and fails at the first one that is wrong.
"""

import sys

import openai

client = openai.OpenAI(base_url=f"{sys.argv[1]}/v1", api_key=sys.argv[2], max_retries=0)
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
check("chat", (answer.choices[0].message.content is not None, answer.choices[0].finish_reason, answer.usage))
with client.chat.completions.create(
    model=model, messages=messages, temperature=0, stream=True, stream_options={"include_usage": True}
) as stream:
    chunks = list(stream)
text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
assert text == answer.choices[0].message.content
check("stream", (len(chunks), chunks[0].choices[0].delta.role, chunks[-1].usage == answer.usage))
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
expect("unknown model", openai.NotFoundError, model="gpt-4o")
expect("overflow", openai.BadRequestError, messages=[{"role": "user", "content": "가 " * 100_000}])
expect("tools", openai.BadRequestError, tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])
client.api_key = "wrong"
expect("wrong key", openai.AuthenticationError)
print("all cases hold")
