"""Random walks through grammars of random schemas. Run: pytest tests/inference/test_guided_schemas.py"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from seodang.inference.engine.contract import GuideFailed
from seodang.inference.guides.compiler import GuideCompiler
from seodang.inference.guides.grammars import build_grammar, build_object_body, build_schema_body
from seodang.inference.guides.json_schema import check_schema
from seodang.primer_base.model import train_tokenizer

END = 1
_NAMES = st.sampled_from(["이름", "값 하나", "a", "b-c", '따"옴', "역\\슬", "", "🙂"])
_NUMBERS = st.integers(-1000, 1000)


def build_range(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(_NUMBERS, st.integers(1, 500)).map(
        lambda pair: {"type": kind, "minimum": pair[0], "maximum": pair[0] + pair[1]}
    )


LEAVES = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    build_range("integer"),
    build_range("number"),
    st.builds(lambda n: {"type": "integer", "multipleOf": n, "minimum": 0, "maximum": 100 * n}, st.integers(1, 40)),
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 4),
        st.integers(0, 4),
    ),
    st.sampled_from(["^[가-힣]{1,5}$", "^\\d{3}-\\d{4}$", "^(가|나다)+$", "^a\\\\b$"]).map(
        lambda pattern: {"type": "string", "pattern": pattern, "maxLength": 20}
    ),
    st.sampled_from(["date", "uuid", "ipv4", "time"]).map(lambda format: {"type": "string", "format": format}),
    st.lists(_NAMES | _NUMBERS | st.none() | st.booleans(), min_size=1, max_size=4).map(
        lambda values: {"enum": values}
    ),
    (_NAMES | _NUMBERS | st.none()).map(lambda value: {"const": {"가": [value]}}),
)


def build_object(properties: dict[str, Any], is_required: bool, is_closed: bool) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties) if is_required else []}
    return {**schema, "additionalProperties": False} if is_closed else schema


def extend(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.builds(build_object, st.dictionaries(_NAMES, inner, max_size=4), st.booleans(), st.booleans()),
        st.builds(
            lambda item, low: {"type": "array", "items": item, "minItems": low, "maxItems": low + 2},
            inner,
            st.integers(0, 2),
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: {"anyOf": items}),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda items: {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
        ),
    )


SCHEMAS = st.recursive(LEAVES, extend, max_leaves=8)


@pytest.fixture(scope="module")
def compiler() -> GuideCompiler:
    texts = ['안녕하세요 {"이름": "값 하나"}, [1, 23, 456.7, true, false, null] 가나다 2026-11-30T01:02:03Z'] * 20
    return GuideCompiler(train_tokenizer(texts, vocab_size=420, context_length=512), END)


def walk(compiler: GuideCompiler, body: str, seed: int, steps: int = 400) -> str | None:
    """Return a text of random tokens that the grammar allows; None if it has not ended."""
    matcher = compiler.compile(build_grammar(body)).start()
    random_numbers = random.Random(seed)
    ids: list[int] = []
    for _step in range(steps):
        allowed = [token for token, byte in enumerate(matcher.find_allowed(frozenset({END}))) if byte]
        token = END if END in allowed and random_numbers.random() < 0.5 else random_numbers.choice(allowed)
        if token == END:
            return compiler._tokenizer.decode(ids)
        ids.append(token)
        matcher.advance(token)
    return None


@settings(max_examples=150, deadline=None)
@given(schema=SCHEMAS, seed=st.integers(0, 1000))
def test_every_text_of_the_grammar_keeps_the_schema(compiler, schema, seed):
    text = walk(compiler, build_schema_body(schema), seed)
    if text is not None:
        assert "\\u" not in text
        Draft202012Validator(schema).validate(json.loads(text))


@pytest.mark.parametrize("seed", range(5))
def test_any_object_is_json_without_runs_of_blanks(compiler, seed):
    text = walk(compiler, build_object_body(), seed)
    assert text is None or isinstance(json.loads(text), dict)


@settings(max_examples=150, deadline=None)
@given(
    schema=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    "type enum properties items anyOf allOf $ref required pattern format minimum maxItems multipleOf not"
                    " $defs additionalProperties prefixItems const minProperties patternProperties x-guidance".split()
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=10,
    )
)
def test_a_senseless_schema_is_refused_or_compiles(compiler, schema):
    with suppress(GuideFailed):
        compiler.compile(build_grammar(build_schema_body(schema)))


@pytest.mark.parametrize("value", [-(2**63), -(2**63) + 1, 2**63 - 1, 2**62, -(2**64), 10**400])
@pytest.mark.parametrize("schema", [{"const": None}, {"enum": ["가", None]}, {"items": {"const": {"a": [None]}}}])
def test_an_integer_that_overflows_the_stack_of_the_compiler_is_refused(schema, value):
    """llguidance ends the process at -2^63, and everyone's requests with it."""
    filled = json.loads(json.dumps(schema).replace("null", str(value)))
    with pytest.raises(GuideFailed, match=r"(enum|const) has an integer of 63 bits or more"):
        check_schema(filled)
    assert check_schema(json.loads(json.dumps(schema).replace("null", str(2**62 - 1))))


@pytest.mark.parametrize(
    "schema",
    [
        {"required": [["가나다라마바사"]]},
        {"required": "가"},
        {"required": [{"가": 1}]},
        {"type": "글"},
        {"type": []},
        {"type": [["string"]]},
        {"enum": "가"},
        {"enum": []},
        {"pattern": ["가"]},
        {"properties": {"가": {"required": [1]}}},
        {"$ref": ["#"]},
    ],
)
def test_a_keyword_with_a_value_of_another_kind_is_refused_by_name(schema):
    with pytest.raises(GuideFailed, match=r"(required|type|enum|pattern|\$ref) cannot be"):
        check_schema(schema)
