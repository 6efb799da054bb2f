"""A program that gives answers a form and calls tools by the `openai` package. It runs in an environment of its own.

Run: python tools_client.py URL KEY. It prints one line for each case, and fails at the first one that is wrong.
"""

import json
import sys
from typing import Literal

import openai
from pydantic import BaseModel, ConfigDict

URL, KEY = sys.argv[1:]
client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
messages = [{"role": "user", "content": "서울 날씨는 어때?"}]


class Review(BaseModel):
    model_config = ConfigDict(extra="forbid")

    감정: Literal["긍정", "부정"]
    추천: bool


class Weather(BaseModel):
    """날씨를 묻는다."""

    model_config = ConfigDict(extra="forbid")

    도시: Literal["서울", "부산"]
    시간: Literal[1, 2, 3]


def check(case: str, value: object) -> None:
    assert value, case
    print(f"{case}: {value!r}", flush=True)


def read(call: object) -> Weather:
    assert call.function.name == "Weather"
    return Weather.model_validate_json(call.function.arguments)


parsed = client.chat.completions.parse(model="tiny", messages=messages, response_format=Review)
check("parse", parsed.choices[0].message.parsed)
tool = openai.pydantic_function_tool(Weather)
answer = client.chat.completions.create(model="tiny", messages=messages, tools=[tool], tool_choice="required").choices[
    0
]
assert answer.finish_reason == "tool_calls"
check("call", [read(call) for call in answer.message.tool_calls])
named = {"type": "function", "function": {"name": "Weather"}}
with client.chat.completions.stream(model="tiny", messages=messages, tools=[tool], tool_choice=named) as stream:
    events = [event.type for event in stream]
    final = stream.get_final_completion().choices[0]
assert final.finish_reason == "tool_calls"
deltas = events.count("tool_calls.function.arguments.delta")
check("streamed call", (deltas, events.count("tool_calls.function.arguments.done"), read(final.message.tool_calls[0])))
history = [
    *messages,
    final.message.to_dict(exclude_none=True) | {"content": ""},
    {"role": "tool", "tool_call_id": final.message.tool_calls[0].id, "content": json.dumps({"날씨": "맑음"})},
]
for call in history[1]["tool_calls"]:
    call["function"].pop("parsed_arguments", None)
after = client.chat.completions.create(
    model="tiny", messages=history, tools=[tool], extra_body={"guided_choice": ["맑습니다"]}, tool_choice="none"
)
check("answer after a result", after.choices[0].message.content)
print("all cases hold")
