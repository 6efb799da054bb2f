"""The bytes of tokens in guided answers. Run: pytest tests/inference/test_guide_tokens.py"""

from __future__ import annotations

import json
import random
import re
import unicodedata
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.inference.guide_tokenizers import END, GUIDED, REFUSED
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from seodang.inference.engine.contract import GuideFailed
from seodang.inference.guides.compiler import GuideCompiler
from seodang.inference.guides.grammars import build_choice_body, build_grammar, build_regex_body, build_schema_body
from seodang.inference.guides.token_bytes import BYTE_TOKEN, list_control_ids, read_token_bytes
from seodang.inference.guides.token_reader import TokenReader
from seodang.service.answers.detokenizer import Detokenizer

DEAD_END = "no token of the model continues the answer in this form"
NFD = unicodedata.normalize("NFD", "긍정")
SCHEMAS: list[dict[str, Any]] = [
    {"enum": ["긍정", "부정", 3, None, ["가"], {"나": 1}]},
    {"type": "string", "pattern": "^[가-사]{1,5}$"},
    {"type": "array", "items": {"type": "integer", "minimum": -3, "maximum": 99}, "minItems": 2, "maxItems": 3},
    {
        "type": "object",
        "properties": {"이름": {"type": "string", "maxLength": 4}, "참": {"type": "boolean"}},
        "required": ["이름", "참"],
        "additionalProperties": False,
    },
]


@pytest.fixture(scope="module", params=GUIDED)
def tokenizer(request) -> PreTrainedTokenizerFast:
    return GUIDED[request.param]()


class Decoder:
    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer

    def decode(self, ids: Any) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def decode(tokenizer: PreTrainedTokenizerBase, ids: list[int], context: list[int]) -> str:
    """Return a text as the service writes it: token by token, after other tokens."""
    detokenizer = Detokenizer(Decoder(tokenizer), context)
    return "".join(detokenizer.push(token) for token in ids)


def walk(tokenizer: PreTrainedTokenizerFast, body: str, seed: int) -> list[int] | None:
    """Return random tokens that the grammar allows, without the end token; None if the answer has not ended.

    The vocabularies without bytes lack characters, so that an answer may get to a place where no token goes on.
    """
    try:
        return walk_to_end(tokenizer, body, random.Random(seed))
    except GuideFailed as error:
        if has_bytes(tokenizer) or str(error) != DEAD_END:
            raise
        return None


def walk_to_end(tokenizer: PreTrainedTokenizerFast, body: str, random_numbers: random.Random) -> list[int] | None:
    matcher = GuideCompiler(tokenizer, END).compile(build_grammar(body)).start()
    ids: list[int] = []
    for _step in range(300):
        allowed = [int(token) for token in matcher.find_allowed(frozenset({END})).nonzero()[0]]
        token = END if END in allowed and random_numbers.random() < 0.5 else random_numbers.choice(allowed)
        if token == END:
            return ids
        ids.append(token)
        matcher.advance(token)
    return None


def has_bytes(tokenizer: PreTrainedTokenizerFast) -> bool:
    return len({content for content in read_token_bytes(tokenizer) if len(content) == 1}) >= 255


def get_context(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    return tokenizer.encode("가", add_special_tokens=False)


def test_each_token_has_the_bytes_that_it_adds_to_a_text(tokenizer):
    contents, controls = read_token_bytes(tokenizer), set(list_control_ids(tokenizer))
    backend, context = tokenizer.backend_tokenizer, get_context(tokenizer)
    assert len(contents) == len(tokenizer)
    before = backend.decode(context)
    for id, content in enumerate(contents):
        added = backend.decode([*context, id]).removeprefix(before)
        if id in controls:
            assert added == ""
        elif not (BYTE_TOKEN.fullmatch(backend.id_to_token(id)) and content[0] > 127):
            assert added == content.decode(errors="replace")


@pytest.mark.parametrize("character", ["é", "가", "힣", "ㄱ", "漢", "👍", "\U0010ffff"])
def test_tokens_of_single_bytes_add_the_character_of_their_bytes(tokenizer, character):
    ids = {content: id for id, content in enumerate(read_token_bytes(tokenizer)) if len(content) == 1}
    content = character.encode()
    if not all(bytes([byte]) in ids for byte in content):
        pytest.skip("a vocabulary without bytes")
    tokens = [ids[bytes([byte])] for byte in content]
    assert decode(tokenizer, [*tokens, *tokens], get_context(tokenizer)) == character * 2


@pytest.mark.parametrize("seed", range(6))
def test_any_tokens_are_written_with_their_bytes(tokenizer, seed):
    contents, controls = read_token_bytes(tokenizer), set(list_control_ids(tokenizer))
    whole = [id for id, content in enumerate(contents) if id not in controls and is_text(content)]
    ids = random.Random(seed).choices(whole, k=60)
    assert decode(tokenizer, ids, get_context(tokenizer)).encode() == b"".join(contents[id] for id in ids)


def is_text(content: bytes) -> bool:
    try:
        return content.decode() is not None
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("schema", SCHEMAS, ids=["enum", "pattern", "array", "object"])
def test_a_walk_through_a_schema_is_written_as_json_that_keeps_it(tokenizer, schema, seed):
    ids = walk(tokenizer, build_schema_body(schema), seed)
    if ids is not None:  # else a character of the schema has no token, or the answer is longer
        text = decode(tokenizer, ids, get_context(tokenizer))
        assert text == b"".join(read_token_bytes(tokenizer)[id] for id in ids).decode()
        Draft202012Validator(schema).validate(json.loads(text))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("regex", ["[가-사]{2,3}/\\d{2}", "(긍정|부정) 값", "a {2}b", "[^a]{3}"])
def test_a_walk_through_a_regular_expression_is_written_as_a_match(tokenizer, regex, seed):
    ids = walk(tokenizer, build_regex_body(regex), seed)
    assert (ids is not None) or not has_bytes(tokenizer)
    assert ids is None or re.fullmatch(regex, decode(tokenizer, ids, get_context(tokenizer)))


@pytest.mark.parametrize("choice", ["긍정", "값  하나", "▁가", "ﬁ힣", NFD, "</s>", "👍🏽", "\n가\t"])
def test_a_choice_is_written_with_its_very_characters_or_refused(tokenizer, choice):
    """Normalization, unknown characters and the blank before a first word change what a tokenizer alone writes."""
    ids = walk(tokenizer, build_choice_body([choice]), 0)
    assert (ids is not None) or not has_bytes(tokenizer)
    assert ids is None or decode(tokenizer, ids, get_context(tokenizer)) == choice


@pytest.mark.parametrize("text", ['{"이름": "값 하나"}', " 안녕하세요", "가나다 " * 40, NFD, "힣"])
def test_a_demanded_text_is_divided_into_tokens_with_its_bytes(tokenizer, text):
    reader = TokenReader(tokenizer, END)
    *ids, last = reader(text)
    content = b"".join(reader.tokens[id] for id in ids)
    if last == END:
        rest = text.encode().removeprefix(content)
        assert content + rest == text.encode()
        assert not any(token and rest.startswith(token) for token in reader.tokens)
    else:
        assert content + reader.tokens[last] == text.encode()


def test_dividing_a_text_leaves_the_tokenizer_of_the_prompts_as_it_is(tokenizer):
    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = False
    TokenReader(tokenizer, END)("</s> 가")
    assert not backend.encode_special_tokens
    assert END in tokenizer.encode("</s>", add_special_tokens=False)


def test_a_demanded_text_has_the_tokens_of_the_model(tokenizer):
    ids = TokenReader(tokenizer, END)("안녕하세요")
    assert ids == tokenizer.encode("가안녕하세요", add_special_tokens=False)[-len(ids) :]


@pytest.mark.parametrize("decoder", REFUSED)
def test_a_decoder_that_writes_a_token_in_several_ways_is_refused_by_its_name(decoder):
    with pytest.raises(GuideFailed, match=re.escape(f"its decoder ({decoder}) writes a token differently")):
        GuideCompiler(REFUSED[decoder](), END).prepare()
