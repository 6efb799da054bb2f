"""Answers in a given form. Run: pytest tests/service/test_guided_answers.py"""

from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator
from tests.service.test_errors import check_error

CHAT, TEXT, GENERATE = "/v1/chat/completions", "/v1/completions", "/generate"
PERSON = {
    "type": "object",
    "properties": {
        "이름": {"enum": ["철수", "영희"]},
        "나이": {"type": "integer", "minimum": 7, "maximum": 12},
        "합격": {"type": "boolean"},
    },
    "required": ["이름", "나이", "합격"],
    "additionalProperties": False,
}
SCHEMAS = {
    "korean keys": PERSON,
    "enum": {"enum": ["긍정", "부정", 3, None, True, ["가"], {"나": 1}]},
    "const": {"const": {"가": ["나", 1.5]}},
    "array": {
        "type": "array",
        "items": {"type": "integer", "minimum": -3, "maximum": 99},
        "minItems": 2,
        "maxItems": 4,
    },
    "nested": {
        "type": "object",
        "properties": {"목록": {"type": "array", "items": PERSON, "minItems": 1, "maxItems": 2}},
        "required": ["목록"],
        "additionalProperties": False,
    },
    "pattern": {"type": "string", "pattern": "^[가-힣]{2,4}$"},
    "length": {"type": "string", "minLength": 2, "maxLength": 4},
    "number": {"type": "number", "minimum": 0.5, "exclusiveMaximum": 2},
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": 0, "maximum": 70},
    "anyOf": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 9}, {"type": "null"}, {"enum": ["모름"]}]},
    "oneOf": {"oneOf": [{"type": "boolean"}, {"type": "null"}]},
    "allOf": {"allOf": [{"type": "integer", "minimum": 3}, {"type": "integer", "maximum": 5}]},
    "tuple": {"type": "array", "prefixItems": [{"const": "가"}, {"type": "null"}], "items": False, "minItems": 2},
    "types": {"type": ["boolean", "null"]},
    "recursion": {
        "$ref": "#/$defs/마디",
        "$defs": {
            "마디": {
                "type": "object",
                "properties": {
                    "값": {"type": "boolean"},
                    "다음": {"anyOf": [{"$ref": "#/$defs/마디"}, {"type": "null"}]},
                },
                "required": ["값"],
                "additionalProperties": False,
            }
        },
    },
    "map": {
        "type": "object",
        "additionalProperties": {"type": "boolean"},
        "propertyNames": None,
        "maxProperties": 1,
    },
    "date": {"type": "string", "format": "uuid"},
    "empty object": {"type": "object", "additionalProperties": False},
}
SCHEMAS["map"].pop("propertyNames")


def ask(client, path=CHAT, **fields):
    prompt = {
        CHAT: {"messages": [{"role": "user", "content": "가"}]},
        TEXT: {"prompt": "가", "max_tokens": 24},
        GENERATE: {"instruction": "가"},
    }[path]
    return client.post(path, json={**prompt, **fields})


def read(response) -> tuple[str, str]:
    body = response.json()
    assert response.status_code == 200, body
    if "output" in body:
        return body["output"], body["finish_reason"]
    (choice,) = body["choices"]
    return choice["message"]["content"] if "message" in choice else choice["text"], choice["finish_reason"]


def build_format(schema, **fields):
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, **fields}}


@pytest.mark.parametrize("temperature", [0, 1.7])
@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_finished_answer_keeps_its_schema(long_client, schema, temperature):
    for seed in range(2 if temperature else 1):
        text, reason = read(
            ask(long_client, response_format=build_format(schema, strict=True), temperature=temperature, seed=seed)
        )
        if reason == "stop":
            Draft202012Validator(schema).validate(json.loads(text))
        else:
            assert reason == "length"
        assert "\\u" not in text


def test_most_answers_are_complete(long_client):
    reasons = [read(ask(long_client, response_format=build_format(schema)))[1] for schema in SCHEMAS.values()]
    assert reasons.count("stop") >= len(reasons) - 4


@pytest.mark.parametrize("path", [CHAT, TEXT, GENERATE])
@pytest.mark.parametrize(
    ("fields", "pattern"),
    [
        ({"guided_choice": ["긍정", '부"정', "중\\립"]}, '긍정|부"정|중\\\\립'),
        ({"guided_regex": "[가-힣]{2,3}/\\d{2}"}, "[가-힣]{2,3}/[0-9]{2}"),
        ({"guided_grammar": 'start: "가" ("나" | "다")'}, "가나|가다"),
        ({"guided_json": {"enum": [1, 2]}}, "1|2"),
        ({"guided_json": '{"enum": [1, 2]}'}, "1|2"),
        ({"structured_outputs": {"json": {"const": "가"}}}, '"가"'),
        ({"structured_outputs": {"regex": "가+나"}}, "가+나"),
        ({"structured_outputs": {"choice": ["가"]}}, "가"),
        ({"structured_outputs": {"grammar": 'start: "가"'}}, "가"),
        ({"response_format": {"type": "text"}, "guided_choice": ["나"]}, "나"),
    ],
)
def test_each_field_gives_its_form(long_client, path, fields, pattern):
    text, reason = read(ask(long_client, path, temperature=1.5, **fields))
    assert reason == "length" or re.fullmatch(pattern, text), text


@pytest.mark.parametrize(
    "fields", [{"response_format": {"type": "json_object"}}, {"structured_outputs": {"json_object": True}}]
)
def test_any_object_has_no_run_of_blanks(long_client, fields):
    bias = {str(token): 100 for token in range(8, 300) if not long_client.context.texts.get_bytes(token).strip()}
    assert bias
    text, reason = read(ask(long_client, logit_bias=bias, **fields))
    outside = re.sub(r'"(\\.|[^"\\])*"?', '""', text)
    assert text.startswith("{")
    assert "  " not in outside
    assert not re.search(r"[\n\t\r]", text)
    assert reason == "length" or isinstance(json.loads(text), dict)


def test_a_cut_answer_says_length(long_client):
    text, reason = read(ask(long_client, response_format=build_format(PERSON), max_tokens=3))
    assert reason == "length"
    with pytest.raises(ValueError, match=r"."):
        json.loads(text)


def test_penalties_biases_stops_seeds_and_several_answers_keep_the_form(long_client):
    fields = {"presence_penalty": 2, "frequency_penalty": 2, "temperature": 2, "seed": 5, "n": 4}
    bias = {str(token): -100 for token in long_client.context.model.encoder.encode_text("철수")}
    answers = [
        ask(long_client, guided_choice=["철수", "영희", "길동이"], logit_bias=bias, **fields).json()["choices"]
        for _ in "ab"
    ]
    texts = [choice["message"]["content"] for choice in answers[0]]
    assert texts == [choice["message"]["content"] for choice in answers[1]]
    assert set(texts) <= {"영희", "길동이"}
    assert read(ask(long_client, guided_choice=["철수와 영희"], stop="와")) == ("철수", "stop")


def test_log_probabilities_are_the_models_own(long_client):
    choice = ask(long_client, guided_choice=["쀍쀍"], logprobs=True, top_logprobs=1).json()["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert choice["message"]["content"] == "쀍쀍"
    assert any(token["logprob"] < token["top_logprobs"][0]["logprob"] for token in tokens)


def test_a_stream_has_the_same_text_and_whole_characters(long_client, read_events):
    response = ask(long_client, response_format=build_format(PERSON), stream=True)
    *events, _end = read_events(response.text)
    parts = [choice["delta"].get("content", "") for event in events for choice in event["choices"]]
    assert "\ufffd" not in response.text
    assert "".join(parts) == read(ask(long_client, response_format=build_format(PERSON)))[0]


def test_the_prompt_formats_blank_stands_before_a_guided_answer(long_client):
    tokens = ask(long_client, guided_choice=["부정"], logprobs=True).json()["choices"][0]["logprobs"]["content"]
    assert bytes(tokens[0]["bytes"]).startswith(b" ")
    assert read(ask(long_client, TEXT, guided_choice=["부정"]))[0] == "부정"


NESTED: dict[str, object] = {}
for _ in range(70):
    NESTED = {"type": "array", "items": NESTED}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"not": {}}, "#: the keyword not is not supported"),
        ({"type": "object", "properties": {"가": {"uniqueItems": True}}}, "#/properties/가: the keyword uniqueItems"),
        ({"anyOf": [{"if": {}}]}, "#/anyOf/0: the keyword if"),
        ({"type": "string", "nullable": True}, "nullable"),
        ({"x-guidance": {"lenient": True}}, "x-guidance"),
        ({"$ref": "http://127.0.0.1:1/a"}, "$ref must refer to a part of this schema"),
        ({"$ref": "#/$defs/none"}, ""),
        ({"type": "frog"}, "frog"),
        ({"type": "string", "format": "unknown"}, "format is not supported"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-ahead"),
        ({"type": "string", "pattern": "("}, "unclosed group"),
        ({"minimum": 10**400}, "64 bits"),
        ({"enum": [10**400]}, ""),
        ({"type": "string", "maxLength": -1}, "64 bits"),
        ({"multipleOf": 9999991}, "multipleOf"),
        ({"multipleOf": 0}, "above 0"),
        ({"allOf": [{"multipleOf": 997}, {"multipleOf": 991}]}, "multipleOf"),
        ({"type": "integer", "minimum": 5, "maximum": 3}, "Unsatisfiable"),
        ({"minProperties": 2}, "minProperties"),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, "oneOf"),
        ({"enum": ["\u0000"]}, ""),
        ({"anyOf": {}}, "must be a list"),
        ({"properties": []}, "must be an object"),
        ({"items": [{}]}, "must be an object"),
        (NESTED, "limit is 64"),
        ({"enum": ["가" * 30 + str(n) for n in range(5000)]}, "characters"),
        ({"allOf": [{"pattern": f".*{c}.*"} for c in "abcdefghijklmnopqrst"]}, "patterns are combined"),
        ({"type": "object", "properties": {f"k{n}": {"pattern": "x{100}.*"} for n in range(1500)}}, ""),
    ],
)
def test_a_schema_that_cannot_be_kept_is_refused(long_client, schema, words):
    response = ask(long_client, response_format=build_format(schema))
    message = check_error(response, 400, "response_format.json_schema.schema")
    assert words in message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"response_format": {"type": "json_object"}, "guided_regex": "a"}, "guided_regex"),
        ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs.choice"),
        ({"structured_outputs": {"structural_tag": {}}}, "structured_outputs.structural_tag"),
        ({"structured_outputs": {"whitespace_pattern": " *"}}, "structured_outputs.whitespace_pattern"),
        ({"guided_regex": "a", "ignore_eos": True}, "ignore_eos"),
        ({"guided_regex": "("}, "guided_regex"),
        ({"guided_regex": "(a)\\1"}, "guided_regex"),
        ({"guided_regex": "(a{1000}){1000}"}, "guided_regex"),
        ({"guided_regex": "a" * 100_001}, "guided_regex"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_choice": [""]}, "guided_choice.0"),
        ({"guided_json": "{"}, "guided_json"),
        ({"guided_json": "[]"}, "guided_json"),
        ({"guided_grammar": "root ::= a"}, "guided_grammar"),
        ({"guided_grammar": 'start: %json {"not": {}}'}, "guided_grammar"),
        ({"guided_grammar": "begin: a"}, "guided_grammar"),
        ({"guided_whitespace_pattern": " *"}, "guided_whitespace_pattern"),
    ],
)
def test_a_form_that_cannot_be_kept_names_its_field(long_client, fields, param):
    check_error(ask(long_client, **fields), 400, param)
    if "guided_whitespace_pattern" not in fields:
        check_error(ask(long_client, TEXT, **fields), 400, param)


def test_an_answer_that_is_begun_cannot_have_a_form(long_client):
    messages = [{"role": "user", "content": "가"}, {"role": "assistant", "content": "{"}]
    response = long_client.post(CHAT, json={"messages": messages, "guided_regex": "a"})
    check_error(response, 400, "guided_regex")


def test_the_error_is_korean_where_the_user_is(long_client, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    assert "형식" in check_error(ask(long_client, guided_json={"not": {}}), 400, "guided_json")


def test_too_many_forms_at_the_same_time_are_a_busy_service(long_client, monkeypatch):
    monkeypatch.setattr("seodang.inference.guides.compiler._OPEN_GUIDES", 0)
    response = ask(long_client, structured_outputs={"choice": ["바쁘다", "한가하다"]})
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "queue_full"
    assert response.headers["retry-after"]
