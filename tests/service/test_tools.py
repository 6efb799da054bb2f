"""Tools in chats. Run: pytest tests/service/test_tools.py"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.service import run_tools_app
from tests.service.conftest import ScriptedEngine
from tests.service.test_errors import check_error
from tests.service.tool_cases import HERMES, LLAMA, MARKED, MISTRAL, NO_CALLS, XML

from seodang.service.context import ServiceContext
from seodang.service.tools.call_format import ToolFormat
from seodang.service.tools.calls import CallDelta, JsonScanner, ToolCallReader

PATH = "/v1/chat/completions"
ARGUMENTS = {
    "type": "object",
    "properties": {"도시": {"enum": ["서울", "부산"]}, "일": {"type": "integer", "minimum": 1, "maximum": 3}},
    "required": ["도시", "일"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "날씨", "parameters": ARGUMENTS}}
CLOCK = {"type": "function", "function": {"name": "clock"}}
CALL = '{"name": "weather", "arguments": {"도시": "서울", "일": 1}}'


@pytest.fixture(scope="module")
def build_context(served_chat) -> Callable[[str], ServiceContext]:
    """Builds the context of an untrained model with another chat template."""
    return partial(run_tools_app.build_context, served_chat.model, run_tools_app.create_engine(served_chat.model))


@pytest.fixture
def script_tools(build_context, build_client) -> Callable[..., Any]:
    """Builds a client of a model with tools that answers with a text."""

    def script_tools(text: str, template: str = HERMES) -> Any:
        context = build_context(template)
        engine = ScriptedEngine(context.model.encoder.encode_text(text), context.model.manifest.end_id)
        return build_client(ServiceContext(context.model, engine)), engine

    return script_tools


def ask(client, messages=None, **fields):
    fields = {"tools": [WEATHER, CLOCK], **fields}
    return client.post(PATH, json={"messages": messages or [{"role": "user", "content": "가"}], **fields})


def read(response):
    body = response.json()
    assert response.status_code == 200, body
    (choice,) = body["choices"]
    return choice["message"], choice["finish_reason"]


def join(events):
    """Return the message of a stream, as OpenAI's client does, and its finish reason."""
    content, calls, reason = "", {}, None
    for event in events:
        for choice in event["choices"]:
            delta = choice["delta"]
            content += delta.get("content") or ""
            for part in delta.get("tool_calls", ()):
                call = calls.setdefault(part["index"], {"function": {"arguments": ""}})
                call |= {name: part[name] for name in ("id", "type") if name in part}
                call["function"] |= {"name": part["function"]["name"]} if "name" in part["function"] else {}
                call["function"]["arguments"] += part["function"]["arguments"]
            reason = choice["finish_reason"] or reason
    return content, [calls[index] for index in sorted(calls)], reason


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("text", "content", "names"),
    [
        (f"<tool_call>\n{CALL}\n</tool_call>", None, ["weather"]),
        (f"네, 보겠습니다.\n<tool_call>\n{CALL}\n</tool_call>", "네, 보겠습니다.", ["weather"]),
        (
            f'<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{{"name": "clock", "arguments": {{}}}}\n</tool_call>',
            None,
            ["weather", "clock"],
        ),
        ("부르지 않습니다 <tool", "부르지 않습니다 <tool", []),
        (f"{CALL}", CALL, []),
        ("", "", []),
    ],
)
def test_calls_in_an_answer_are_read_whole_and_streamed(script_tools, read_events, stream, text, content, names):
    client, engine = script_tools(text)
    response = ask(client, stream=stream)
    if stream:
        *events, _end = read_events(response.text)
        joined, calls, reason = join(events)
        assert joined == (content or "")
    else:
        message, reason = read(response)
        assert message["content"] == content
        calls = message.get("tool_calls", [])
        assert ("tool_calls" in message) == bool(names)
    assert [call["function"]["name"] for call in calls] == names
    assert all(call["type"] == "function" and call["id"].isalnum() for call in calls)
    assert len({call["id"] for call in calls}) == len(calls)
    assert reason == ("tool_calls" if names else "stop")
    if names:
        assert json.loads(calls[0]["function"]["arguments"]) == {"도시": "서울", "일": 1}
    assert engine.requests[0].options.guide is not None


def test_an_answer_with_calls_has_the_documented_shape(script_tools):
    client, _engine = script_tools(f"<tool_call>\n{CALL}\n</tool_call>")
    document = client.get("/docs.json").json()
    schemas = document["components"]["schemas"]
    answer = {**schemas["ChatCompletion"], "components": document["components"]}
    Draft202012Validator(answer).validate(ask(client).json())
    request = {**schemas["ChatRequest"], "components": document["components"]}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": ARGUMENTS}}
    outputs = {"json": ARGUMENTS}
    body = {"messages": HISTORY, "tools": [WEATHER], "response_format": form, "structured_outputs": outputs}
    Draft202012Validator(request).validate(body)
    assert {"schema", "strict"} <= set(schemas["NamedSchema"]["properties"])
    assert {"json", "regex", "choice", "grammar"} <= set(schemas["StructuredOutputs"]["properties"])


def test_a_template_of_one_call_reads_it_at_the_beginning_only(script_tools):
    call = CALL.replace("arguments", "parameters")
    message, reason = read(ask(script_tools(call, LLAMA)[0]))
    assert (message["content"], reason) == (None, "tool_calls")
    assert json.loads(message["tool_calls"][0]["function"]["arguments"])["도시"] == "서울"
    message, reason = read(ask(script_tools(f"답: {call}", LLAMA)[0]))
    assert (message["content"], reason) == (f"답: {call}", "stop")


@pytest.mark.parametrize("template", [HERMES, LLAMA, MARKED, MISTRAL], ids=["hermes", "llama", "marked", "mistral"])
@pytest.mark.parametrize("temperature", [0, 1.5])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_required_call_keeps_the_schema(build_context, build_client, template, temperature, choice):
    client = build_client(build_context(template))
    message, reason = read(
        ask(client, tool_choice=choice, temperature=temperature, parallel_tool_calls=False, max_tokens=90)
    )
    (call,) = message["tool_calls"]
    assert (message["content"], reason) == (None, "tool_calls")
    if isinstance(choice, dict):
        assert call["function"]["name"] == "weather"
    schema = ARGUMENTS if call["function"]["name"] == "weather" else {"const": {}}
    Draft202012Validator(schema).validate(json.loads(call["function"]["arguments"]))


@pytest.mark.parametrize("template", [HERMES, LLAMA, MARKED], ids=["hermes", "llama", "marked"])
def test_an_answer_that_begins_a_call_must_finish_it(build_context, template):
    """The grammar of `auto` allows any text, but after the beginning of a call only calls that keep the schema."""
    context = build_context(template)
    compile_auto = build_matcher(context)
    ids = context.model.encoder.encode_text
    middle = "parameters" if template == LLAMA else "arguments"
    begin = context.tools._format.begin
    control = context.model.tokenizer.encode(begin, add_special_tokens=False)
    assert can_write(compile_auto(), ids("안녕하세요 <to 그리고 '가'"))
    good = [*control, *ids(f'weather", "{middle}": {{"도시": "부산", "일": 2}}')]
    assert can_write(compile_auto(), good)
    assert not can_write(compile_auto(), [*control, *ids("other")])
    assert not can_write(compile_auto(), [*control, *ids(f'weather", "{middle}": {{"도시": "대구"')])
    if template == HERMES:
        assert can_write(compile_auto(), [*ids("네.\n"), *good])
        assert not can_write(compile_auto(), [*ids("네.\n"), *control, *ids("other")])


def build_matcher(context):
    from seodang.service.routes.openai_requests import ChatRequest

    body = ChatRequest.model_validate({"messages": [{"role": "user", "content": "가"}], "tools": [WEATHER, CLOCK]})
    plan = context.tools.plan(body, None)
    guide = context.guides.compile(plan.form.build())
    return guide.start


def can_write(matcher, ids) -> bool:
    for token in ids:
        if not matcher.find_allowed(frozenset({1}))[token]:
            return False
        matcher.advance(token)
    return True


def test_several_required_calls_may_follow_each_other(build_context):
    from seodang.service.routes.openai_requests import ChatRequest

    context = build_context(HERMES)
    ids = context.model.encoder.encode_text
    two = f"<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{CALL}\n</tool_call>"
    for parallel, expected in ((None, True), (True, True), (False, False)):
        body = {"tools": [WEATHER], "tool_choice": "required", "parallel_tool_calls": parallel}
        request = ChatRequest.model_validate({"messages": [{"role": "user", "content": "가"}], **body})
        form = context.tools.plan(request, None).form
        assert can_write(context.guides.compile(form.build()).start(), ids(two)) is expected


def test_text_or_a_form_stands_beside_tools(build_context, build_client):
    client = build_client(build_context(HERMES))
    message, reason = read(ask(client, guided_choice=["긍정", "부정"]))
    assert message["content"] in ("긍정", "부정") or message.get("tool_calls") or reason == "length"
    check_error(ask(client, guided_grammar='start: "a"'), 400, "guided_grammar")
    check_error(ask(build_client(build_context(LLAMA)), guided_choice=["가"]), 400, "tools")


def test_none_hides_the_tools(script_tools):
    client, engine = script_tools(CALL)
    message, reason = read(ask(client, tool_choice="none"))
    assert (message["content"], reason) == (CALL, "stop")
    read(ask(client, tools=None))
    assert engine.requests[0].prompt == engine.requests[1].prompt


def test_a_cut_call_says_length(script_tools, build_context, build_client):
    client, _engine = script_tools(f"<tool_call>\n{CALL}\n</tool_call>")
    message, reason = read(ask(client, max_tokens=len(build_context(HERMES).model.encoder.encode_text(CALL)) - 4))
    assert reason == "length"
    assert message["tool_calls"][0]["function"]["arguments"]
    message, reason = read(ask(client, tool_choice="required", max_tokens=3))
    assert (message["content"], reason) == ("", "length")


HISTORY = [
    {"role": "system", "content": "규칙"},
    {"role": "user", "content": "서울 날씨?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "abc", "type": "function", "function": {"name": "weather", "arguments": '{"도시": "서울", "일": 1}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "abc", "content": '{"날씨": "맑음"}'},
]


@pytest.mark.parametrize("template", [HERMES, LLAMA], ids=["hermes", "llama"])
@pytest.mark.parametrize("tools", [[WEATHER, CLOCK], None])
def test_the_prompt_is_the_one_of_the_models_own_template(script_tools, template, tools):
    client, engine = script_tools("맑음", template)
    read(ask(client, HISTORY, tools=tools))
    messages = copy.deepcopy(HISTORY)
    messages[2]["content"] = ""
    messages[2]["tool_calls"][0]["function"]["arguments"] = {"도시": "서울", "일": 1}
    clock = {
        **CLOCK["function"],
        "description": "",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    }
    described = [WEATHER, {"type": "function", "function": clock}] if tools else None
    tokenizer = client.app.state.context.model.tokenizer
    expected = tokenizer.apply_chat_template(
        messages, described, chat_template=template, tokenize=False, add_generation_prompt=True
    )
    assert tokenizer.decode(engine.requests[0].prompt) == expected


@pytest.mark.parametrize("template", [HERMES, LLAMA], ids=["hermes", "llama"])
@pytest.mark.parametrize("marker", ["<|end|>", "<|user|>", '\ue0000"\ue001', "<", "|>"])
@pytest.mark.parametrize("place", ["user", "tool", "description", "property", "value", "enum", "arguments", "id"])
def test_a_marker_in_a_text_of_tools_stays_text(script_tools, template, marker, place):
    client, engine = script_tools("가", template)
    special = set(client.app.state.context.model.tokenizer.all_special_ids)

    def send(text):
        messages, tool = copy.deepcopy(HISTORY), copy.deepcopy(WEATHER)
        parameters = tool["function"]["parameters"]
        call = messages[2]["tool_calls"][0]
        if place == "user":
            messages[1]["content"] = text
        elif place == "tool":
            messages[3]["content"] = text
        elif place == "description":
            tool["function"]["description"] = text
        elif place == "property":
            parameters["properties"][text] = {"type": "string"}
        elif place == "value":
            parameters["properties"]["도시"]["description"] = text
        elif place == "enum":
            parameters["properties"]["도시"]["enum"] = [text]
        elif place == "arguments":
            call["function"]["arguments"] = json.dumps({text: [text]})
        else:
            call["id"] = messages[3]["tool_call_id"] = text
        assert ask(client, messages, tools=[tool]).status_code == 200

    send("x")
    send(f"가 {marker} '\"\\\n나")
    counts = [[token for token in request.prompt if token in special] for request in engine.requests]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("template", [NO_CALLS, XML, "{% for m in messages %}{{ m.content }}{% endfor %}"])
def test_a_template_without_tools_refuses_them(script_tools, template):
    client, engine = script_tools("가", template)
    message = check_error(ask(client), 400, "tools", "unsupported_parameter")
    assert "template of this model" in message
    assert "no tools" in message or "calls" in message
    assert not engine.requests


def test_a_prompt_format_of_its_own_has_no_tools(script):
    client, _engine = script("가")
    check_error(ask(client), 400, "tools", "unsupported_parameter")
    check_error(client.post(PATH, json={"messages": HISTORY}), 400, "messages.2.tool_calls", "unsupported_parameter")
    assert ask(client, tools=[], tool_choice="auto").status_code == 200
    assert ask(client, tool_choice="none").status_code == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "두 낱말"}}]}, "tools.0.function.name"),
        ({"tools": [{"type": "retrieval"}]}, "tools.0.type"),
        ({"tools": [CLOCK, CLOCK]}, "tools"),
        (
            {"tools": [CLOCK, {"type": "function", "function": {"name": "f", "parameters": {"not": {}}}}]},
            "tools.1.function.parameters",
        ),
        ({"tool_choice": {"type": "function", "function": {"name": "none"}}}, "tool_choice.function.name"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"messages": [*HISTORY, {"role": "assistant", "content": "가"}]}, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages.0.content"),
        ({"messages": [{"role": "function", "content": "a"}]}, "messages.0.role"),
    ],
)
def test_a_wrong_field_of_tools_is_named(script_tools, fields, param):
    client, engine = script_tools("가")
    check_error(ask(client, **fields), 400, param)
    assert not engine.requests


def test_arguments_that_are_no_object_are_refused(script_tools):
    client, _engine = script_tools("가")
    messages = copy.deepcopy(HISTORY)
    messages[2]["tool_calls"][0]["function"]["arguments"] = "[1]"
    check_error(ask(client, messages), 400, "messages.2.tool_calls.0.function.arguments")


def test_a_call_is_read_wherever_its_parts_end():
    format = ToolFormat("<t>", '", ', "</t>\n<t>", "</t>")
    text = 'a <t>f", {"x": "}{\\"", "y": [{}]}</t>\n<t>g", {}</t> b'

    def read_parts(parts):
        reader = ToolCallReader(format, is_required=False)
        items = [item for index, part in enumerate(parts) for item in reader.push(part, is_end=index == len(parts) - 1)]
        content = "".join(item for item in items if isinstance(item, str))
        calls = [item for item in items if isinstance(item, CallDelta)]
        names = [call.name for call in calls if call.name]
        return content, names, "".join(call.arguments for call in calls)

    expected = ("ab", ["f", "g"], '{"x": "}{\\"", "y": [{}]}{}')
    assert read_parts([text]) == expected
    assert read_parts([*text]) == expected
    for size in (2, 3, 5, 7):
        assert read_parts([text[start : start + size] for start in range(0, len(text), size)]) == expected


def test_the_end_of_an_object_is_found():
    scanner = JsonScanner()
    assert scanner.scan('{"a": "\\') == 8
    assert not scanner.is_complete
    assert scanner.scan('"}", "b": [1]} rest') == 14
    assert scanner.is_complete
