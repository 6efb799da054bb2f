"""A program that uses `litellm` against a server. It runs in an environment of its own.

Run: python litellm_client.py URL KEY. It prints one line for each case, and fails at the first one that is wrong.
"""

import asyncio
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing is downloaded

import litellm

litellm.suppress_debug_info = True
URL, KEY = sys.argv[1:]
access = {"model": "openai/tiny", "api_base": f"{URL}/v1", "api_key": KEY, "num_retries": 0}
text_access = {**access, "model": "text-completion-openai/tiny"}
messages = [{"role": "user", "content": "이 영화는 너무 지루해"}]


def check(case: str, value: object) -> None:
    assert value, case
    print(f"{case}: {value!r}", flush=True)


def complete(**fields: object) -> object:
    return litellm.completion(**{"messages": messages, **fields})


def expect(case: str, error: type[Exception], function=complete, **fields: object) -> None:
    try:
        function(**{**access, **fields})
    except error as caught:
        check(case, type(caught) is error and (type(caught).__name__, caught.status_code))
    else:
        raise AssertionError(case)


answer = litellm.completion(messages=messages, temperature=0, **access)
content = answer.choices[0].message.content
check("completion", (content, answer.choices[0].finish_reason, answer.usage.total_tokens, answer.system_fingerprint))
chunks = list(
    litellm.completion(messages=messages, temperature=0, stream=True, stream_options={"include_usage": True}, **access)
)
assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == content
rebuilt = litellm.stream_chunk_builder(chunks, messages=messages)
assert (rebuilt.choices[0].message.content, rebuilt.usage.total_tokens) == (content, answer.usage.total_tokens)
check("streaming", (len(chunks), rebuilt.choices[0].finish_reason))
check("async", asyncio.run(litellm.acompletion(messages=messages, **access)).choices[0].message.content == content)
several = litellm.completion(messages=messages, n=3, temperature=1, seed=5, max_completion_tokens=4, **access)
check("several answers", [choice.finish_reason for choice in several.choices])
logprobs = litellm.completion(messages=messages, logprobs=True, top_logprobs=2, **access).choices[0].logprobs
check("logprobs", [len(token.top_logprobs) for token in logprobs.content])
text = litellm.text_completion(prompt="영화는", max_tokens=3, **text_access)
check("text completion", (text.choices[0].finish_reason, text.usage.total_tokens))
echo = litellm.text_completion(prompt=["영화는", "가"], max_tokens=1, echo=True, logprobs=1, **text_access)
assert [choice.text[:1] for choice in echo.choices] == ["영", "가"]
check("echo", [choice.logprobs.token_logprobs[0] is None for choice in echo.choices])
parts = list(litellm.text_completion(prompt="영화는", max_tokens=3, stream=True, **text_access))
check("text streaming", parts[-1].choices[0].finish_reason)
long = [{"role": "user", "content": "가 " * 300}]
expect("overflow", litellm.ContextWindowExceededError, messages=long)
expect(
    "overflow by characters", litellm.ContextWindowExceededError, messages=[{"role": "user", "content": "가" * 9999}]
)
expect("overflow of a stream", litellm.ContextWindowExceededError, messages=long, stream=True)
overflow = {"function": litellm.text_completion, **text_access}
expect("overflow of a text", litellm.ContextWindowExceededError, prompt="가 " * 300, **overflow)
expect("overflow of token ids", litellm.ContextWindowExceededError, prompt=[5] * 300, **overflow)
expect("unknown model", litellm.NotFoundError, model="openai/gpt-4o")
expect("bad value", litellm.BadRequestError, temperature=9)
expect("wrong key", litellm.AuthenticationError, api_key="wrong")
expect("full queue", litellm.RateLimitError, extra_headers={"X-Test": "full-9"}, max_retries=0)
expect("stopping", litellm.ServiceUnavailableError, extra_headers={"X-Test": "stopping-9"}, max_retries=0)
print("all cases hold")
