"""Bodies that attack the service: valid requests of every route with every field, changed in one to four places.

A body is a number: the same one is made again by `make_body(number)`.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

SECRET: Final = "비밀SECRET"
"""A text of the user in every body; no log may have it."""

_TOOL: Final = {
    "type": "function",
    "function": {
        "name": "search",
        "description": SECRET,
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
        "strict": True,
    },
}
_CALL: Final = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "search", "arguments": '{"query": "가"}'},
}
_SAMPLING: Final[dict[str, Any]] = {
    "n": 2, "seed": 1, "temperature": 0.7, "top_p": 0.9, "presence_penalty": 0.1, "frequency_penalty": 0.1,
    "logit_bias": {"5": 1.0}, "stop": ["\n", SECRET], "stream_options": {"include_usage": True}, "ignore_eos": True,
    "user": SECRET, "model": None,
}  # fmt: skip
_SCHEMA: Final = {"type": "object", "properties": {"답": {"enum": ["예", "아니요"]}}, "required": ["답"]}
_FORMS: Final[tuple[dict[str, Any], ...]] = (
    {"response_format": {"type": "text"}},
    {"response_format": {"type": "json_object"}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": _SCHEMA, "strict": True}}},
    {"guided_json": _SCHEMA},
    {"guided_json": json.dumps(_SCHEMA)},
    {"guided_regex": "(예|아니요)"},
    {"guided_choice": ["예", "아니요"]},
    {"guided_grammar": 'start: "예" | "아니요"'},
    {"structured_outputs": {"json": _SCHEMA}},
    {"structured_outputs": {"regex": "a{2,4}"}},
    {"structured_outputs": {"choice": ["가", "나"]}},
    {"structured_outputs": {"grammar": "start: /[a-z]{1,5}/"}},
    {"structured_outputs": {"json_object": True}},
)
_MESSAGES: Final[tuple[list[dict[str, Any]], ...]] = (
    [{"role": "user", "content": SECRET}],
    [{"role": "system", "content": "가"}, {"role": "user", "content": SECRET, "input": "나"}],
    [{"role": "user", "content": [{"type": "text", "text": SECRET}]}, {"role": "assistant", "content": "예"}],
    [
        {"role": "user", "content": "가"},
        {"role": "assistant", "content": None, "tool_calls": [_CALL]},
        {"role": "tool", "content": SECRET, "tool_call_id": "call_1"},
    ],
    [{"role": "developer", "content": "가"}, {"role": "user", "content": "나", "name": SECRET}],
)
_CHOICES: Final = ("none", "auto", "required", {"type": "function", "function": {"name": "search"}})
ROUTES: Final = (
    "/generate", "/choose", "/batch", "/v1/chat/completions", "/v1/completions", "/tokenize", "/detokenize",
    "/feedback",
)  # fmt: skip
"""All routes that take a body; a test compares them with the OpenAPI document."""

_SCALARS: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2, 130, 2**31, 2**63, -(2**63), 2**64, 10**400, 0.5, -1e-320, 1e308, float("nan"),
    float("inf"), "", " ", "\x00", "\ud800", "\u202e", "\ufffd", "<|end|>", "<|user|>", "가" * 3000, "\r\n", "user",
    "search", "a\u0301" * 50, "\U000e0041" * 20, "../../etc/passwd", "{{ 7 * 7 }}", "{% for x in range(10**9) %}",
    [], {}, [[]], [{}], [None] * 300, {"": {}}, {"$ref": "#"}, ["text"], {"type": "text"},
)  # fmt: skip
_SCHEMAS: Final[tuple[Any, ...]] = (
    {}, True, {"$ref": "#"}, {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, {"$ref": "http://x/y"},
    {"type": "string", "pattern": "(a+)+$"}, {"type": "string", "pattern": "("}, {"type": "string", "pattern": "(?=a)b"},
    {"type": "string", "pattern": "\\p{L}{1,9}"}, {"type": "string", "minLength": 10**9},
    {"type": "string", "minLength": 5, "maxLength": 2}, {"type": "array", "minItems": 10**6},
    {"type": "integer", "minimum": 10, "maximum": 1}, {"type": "integer", "multipleOf": 0}, {"enum": []},
    {"const": -(2**63)}, {"enum": [2**63 - 1, -(2**63) + 1]},
    {"enum": ["a" * n for n in range(500)]}, {"const": {"a": [None, "\ud800"]}}, {"not": {}}, {"allOf": [{}] * 300},
    {"anyOf": [{"const": n} for n in range(800)]}, {"oneOf": [{"type": "string"}, {"const": "a"}]},
    {"type": "object", "properties": {str(n): {} for n in range(500)}, "required": [str(n) for n in range(500)]},
    {"type": "object", "patternProperties": {"^.*$": {}}}, {"type": "object", "additionalProperties": False},
    {"type": "object", "required": ["missing"], "additionalProperties": False}, {"if": {}, "then": {}, "else": {}},
    {"type": ["string", "null", "object"]}, {"type": "nothing"}, {"type": 5}, {"format": "date-time", "type": "string"},
    {"type": "number", "exclusiveMinimum": "a"}, {"x-guidance": {"whitespace_flexible": False}}, {"unevaluatedProperties": 1},
)  # fmt: skip
_REGEXES: Final = (
    "", "(", "[", "a{0,99999}", "(a|a)*b", "(a*)*", "(?:x{1,500}){1,500}", "^$", "\\", "(?<n>a)\\k<n>", "(?!a)", "\\d+",
    "[^\\x00-\\U0010FFFF]", "(?i)가", "\\bx\\b", ".*" * 200, "(" * 300 + ")" * 300, "[가-힣]{3}", "\\u{D800}", "a**",
)  # fmt: skip
_GRAMMARS: Final = (
    "", "start:", "start: start", "start: a\na: b\nb: a", 'start: "a" start | ""', "start: /(/", "start: <[999999]>",
    "start: <|end|>", 'start: "a"~9999', "%import common.INT\nstart: INT", "start: %json {}", "start: %regex",
    'start[temperature=9]: "a"', "start: " + "(" * 500, "%llguidance {}\nstart: /a/", '%ignore /.*/\nstart: "a"',
    'start: a*\na: b*\nb: c*\nc: "x"*', "start: /a{1,9000}/", "start: %lark { start: /x/ }", '{"grammars": []}',
)  # fmt: skip
_REPEATED_CHARACTERS: Final = 500  # of a value that stands 200 times in a body


def make_body(number: int) -> tuple[str, bytes]:
    """Return path and body of a request."""
    rng = random.Random(number)
    path = ROUTES[number % len(ROUTES)]
    body = _make_valid(path, rng)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 4))):
        body = _change(body, rng)
    return path, _encode(body, rng)


def _make_valid(path: str, rng: random.Random) -> Any:
    """Return a valid body with a random part of the route's fields."""
    instruction = {"instruction": SECRET, "input": rng.choice(["", "가"])}
    own: dict[str, Callable[[], dict[str, Any]]] = {
        "/generate": lambda: {
            **instruction, "max_new_tokens": 4, "temperature": 0.5, "stream": rng.random() < 0.3, "model": None,
            **_pick_form(rng),
        },
        "/choose": lambda: {**instruction, "options": ["예", "아니요", SECRET], "model": None},
        "/batch": lambda: {"records": [instruction] * rng.randint(1, 6), "max_new_tokens": 3, "temperature": 0.5, "model": None},
        "/v1/chat/completions": lambda: {
            "messages": rng.choice(_MESSAGES), "max_tokens": 6, "max_completion_tokens": 4, "logprobs": True,
            "top_logprobs": 2, "stream": rng.random() < 0.3, **_SAMPLING, **_pick_tools(rng), **_pick_form(rng),
        },
        "/v1/completions": lambda: {
            "prompt": rng.choice(["가", ["가", SECRET], [5, 6], [[5], [6, 7]]]), "max_tokens": 4, "max_completion_tokens": 3,
            "logprobs": 2, "echo": True, "stream": rng.random() < 0.3, **_SAMPLING, **_pick_form(rng),
        },
        "/tokenize": lambda: {"prompt": SECRET, "add_special_tokens": True, "model": None},
        "/detokenize": lambda: {"tokens": [5, 6, 7], "model": None},
        "/feedback": lambda: {"id": rng.choice((f"gen-{SECRET}", "chatcmpl-" + "0" * 32)), "rating": rng.choice(("up", "down"))},
    }  # fmt: skip
    body = json.loads(json.dumps(own[path]()))
    required = {"instruction", "options", "records", "messages", "prompt", "tokens", "id", "rating"}
    return _drop_conflicts({name: value for name, value in body.items() if name in required or rng.random() < 0.5})


def _drop_conflicts(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body without fields that need one which it lacks, so that what is refused is the change."""
    needs = {"top_logprobs": "logprobs", "tool_choice": "tools", "parallel_tool_calls": "tools"}
    conflicts = {name for name, other in needs.items() if other not in body}
    if not body.get("stream"):
        conflicts.add("stream_options")
    if "tools" in body:
        conflicts |= {name for form in _FORMS for name in form}
    return {name: value for name, value in body.items() if name not in conflicts}


def _pick_form(rng: random.Random) -> dict[str, Any]:
    return rng.choice(_FORMS) if rng.random() < 0.6 else {}


def _pick_tools(rng: random.Random) -> dict[str, Any]:
    if rng.random() < 0.5:
        return {}
    return {
        "tools": [_TOOL] * rng.choice((1, 1, 2)),
        "tool_choice": rng.choice(_CHOICES),
        "parallel_tool_calls": rng.choice((True, False)),
    }


def _list_places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values in a body."""
    yield place
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _list_places(item, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value[:8]):
            yield from _list_places(item, (*place, index))


def _change(body: Any, rng: random.Random) -> Any:
    """Return a body with one value replaced, removed, repeated, wrapped or added."""
    place = rng.choice(list(_list_places(body)))
    if not place:
        return copy.deepcopy(rng.choice(_SCALARS)) if rng.random() < 0.1 else body
    parent = body
    for step in place[:-1]:
        parent = parent[step]
    name = place[-1]
    kind = rng.randrange(6)
    if kind == 0:
        del parent[name]
    elif kind == 1:
        is_small = len(str(parent[name])) < _REPEATED_CHARACTERS
        parent[name] = [copy.deepcopy(parent[name]) for _ in range(rng.choice((1, 2, 200 if is_small else 3)))]
    elif kind == 2:
        parent[name] = {rng.choice(("", "type", "content", "가", "5", "$ref")): parent[name]}
    elif kind == 3 and isinstance(parent, dict):
        parent[rng.choice(("", "x", "\ud800", "function", "schema", "best_of", "suffix", "audio"))] = rng.choice(
            _SCALARS
        )
    else:
        parent[name] = _pick_value(name, rng)
    return body


def _pick_value(name: Any, rng: random.Random) -> Any:
    """Return a hostile value, half of the time one that fits the field."""
    fitting: dict[Any, tuple[Any, ...]] = {
        "schema": _SCHEMAS, "parameters": _SCHEMAS, "guided_json": _SCHEMAS, "json": _SCHEMAS, "regex": _REGEXES,
        "guided_regex": _REGEXES, "grammar": _GRAMMARS, "guided_grammar": _GRAMMARS,
        "arguments": ("", "{", "[]", "null", "{" * 5000, '{"a": ' * 900, "9" * 5000),
    }  # fmt: skip
    if name in fitting and rng.random() < 0.8:
        return copy.deepcopy(rng.choice(fitting[name]))
    return _nest(rng) if rng.random() < 0.05 else copy.deepcopy(rng.choice(_SCALARS))


def _nest(rng: random.Random) -> Any:
    value: Any = 1
    for _ in range(rng.choice((5, 100, 400))):
        value = [value] if rng.random() < 0.5 else {"a": value}
    return value


def _encode(body: Any, rng: random.Random) -> bytes:
    """Return the body as JSON, one in twelve damaged as bytes."""
    content = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    damages: tuple[Callable[[], bytes], ...] = (
        lambda: content[: rng.randrange(len(content) + 1)],
        lambda: content + b"}",
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content.replace(b'"', b"\xff", 1),
        lambda: content.decode("utf-8", "replace").encode("utf-16"),
        lambda: b"[" * rng.choice((100, 100_000)),
        lambda: b'{"instruction":' * 3000,
        lambda: content[:-1] + b"," + content[1:] if content.startswith(b"{") else content,  # each field twice
        lambda: rng.randbytes(rng.randrange(300)),
    )
    return rng.choice(damages)() if rng.random() < 1 / 12 else content
