"""A program that uses `langchain-openai` against a server. It runs in an environment of its own.

Run: python langchain_client.py URL KEY. It prints one line for each case, and fails at the first one that is wrong.
"""

import asyncio
import sys

from langchain_core.exceptions import ContextOverflowError
from langchain_openai import ChatOpenAI, OpenAI

URL, KEY = sys.argv[1:]
access = {"model": "tiny", "base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0}
model = ChatOpenAI(**access, temperature=0)
question = "이 영화는 너무 지루해"


def check(case: str, value: object) -> None:
    assert value, case
    print(f"{case}: {value!r}", flush=True)


answer = model.invoke(question)
check("invoke", (answer.content, answer.response_metadata["finish_reason"]))
usage = answer.usage_metadata
assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
check("usage", usage)
check("fingerprint", answer.response_metadata["system_fingerprint"])
chunks = list(ChatOpenAI(**access, temperature=0, stream_usage=True).stream(question))
complete = sum(chunks[1:], chunks[0])
assert (complete.content, complete.usage_metadata) == (answer.content, usage)
check("stream", (len(chunks), complete.content, complete.response_metadata["finish_reason"]))
check("batch", {message.content for message in model.batch([question] * 5)} == {answer.content})
check("async", asyncio.run(model.ainvoke(question)).content == answer.content)
check("stop", model.invoke(question, stop=[answer.content[-1]]).content == answer.content[:-1])
check("history", bool(model.invoke([("system", "규칙"), ("user", "가"), ("ai", "나"), ("user", question)])))
check("prefill", model.invoke([("user", question), ("ai", answer.content[0])]).content is not None)
logprobs = model.bind(logprobs=True, top_logprobs=2).invoke(question).response_metadata["logprobs"]
check("logprobs", [len(token["top_logprobs"]) for token in logprobs["content"]])
sampled = ChatOpenAI(**access, temperature=1, top_p=0.9, seed=3, presence_penalty=0.1, frequency_penalty=0.1)
check("sampling", sampled.invoke(question).content == sampled.invoke(question).content)
parts = [{"role": "user", "content": [{"type": "text", "text": question}]}]
check("content parts", model.invoke(parts).content == answer.content)
text = OpenAI(**access, max_tokens=3)
check("text completion", isinstance(text.invoke("영화는"), str))
check("text completions", len(text.generate(["영화는", "가"]).generations) == 2)
check("text stream", isinstance("".join(text.stream("영화는")), str))
for kind in (model, ChatOpenAI(**access, streaming=True)):
    try:
        kind.invoke("가 " * 300)
    except ContextOverflowError as error:
        check("overflow", (type(error).__name__, error.status_code, "exceeds the context window" in str(error)))
    else:
        raise AssertionError("overflow")
print("all cases hold")
