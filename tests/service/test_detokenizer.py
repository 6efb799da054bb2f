"""Text that arrives token by token. Run: pytest tests/service/test_detokenizer.py"""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from seodang.inference.engine.contract import TokenStep
from seodang.primer_base.model import train_tokenizer
from seodang.service.answers.detokenizer import Detokenizer
from seodang.service.answers.reader import AnswerReader, TextRules, join_parts
from seodang.service.answers.stop_texts import StopScanner
from seodang.service.context import _CONTEXT_TOKENS

_TOKENIZER = train_tokenizer(["다음 문장의 감정을 분석해 주세요", "Say hello"] * 5, vocab_size=300, context_length=128)
TEXTS = st.text(
    alphabet=st.one_of(st.sampled_from("가나다 힣각ㄱabc\n<|end|>👍🏽é"), st.characters(exclude_categories=["Cs"]))
)


class Decoder:
    def decode(self, ids):
        return _TOKENIZER.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)


def encode_bytes(text: str) -> list[int]:
    """Return one token for each byte: every character is split as far as possible."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    table = bytes_to_unicode()
    return [_TOKENIZER.convert_tokens_to_ids(table[byte]) for byte in text.encode()]


class FallbackDecoder:
    """SentencePiece's byte fallback: a run of tokens of bytes is decoded as a whole, as in Gemma and Llama 2."""

    def __init__(self):
        pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"ab가"]
        ids = {piece: number for number, piece in enumerate(pieces)}
        self.tokenizer = Tokenizer(models.BPE(ids, [], byte_fallback=True, unk_token="<unk>"))
        self.tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text.replace(" ", "▁"), add_special_tokens=False).ids

    def decode(self, ids):
        return self.tokenizer.decode(list(ids))


_FALLBACK = FallbackDecoder()
SPLITTERS = {"bytes": (Decoder(), encode_bytes), "fallback": (_FALLBACK, _FALLBACK.encode)}


@pytest.mark.parametrize("prompt", ["가", "a", "나", "나나", "봤는데", "나a", "👍", "👍👍", "é👍", "힣가"])
def test_a_continued_text_keeps_its_first_blank(prompt):
    """The last tokens of a Korean prompt may begin inside a syllable, as the tokens of bytes do."""
    decoder = FallbackDecoder()
    ids = decoder.encode(f"{prompt} a b")
    count = len(decoder.encode(prompt))
    detokenizer = Detokenizer(decoder, tuple(ids[:count][-4:]))
    assert "".join(map(detokenizer.push, ids[count:])) == " a b"


@pytest.mark.parametrize("kind", ["bytes", "fallback"])
@given(text=st.text(alphabet="ab가 나힣👍é", min_size=1, max_size=6), data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_character_that_the_prompt_begins_is_the_first_of_its_answer(kind, text, data):
    """Prompts of token ids may end inside a character; the answer completes it."""
    decoder, encode = SPLITTERS[kind]
    ids = encode(f"a{text}")
    end = data.draw(st.integers(1, len(ids)))
    complete = next(text for stop in range(end, -1, -1) if "\ufffd" not in (text := decoder.decode(ids[:stop])))
    detokenizer = Detokenizer(decoder, ids[:end][-_CONTEXT_TOKENS:])
    assert complete + "".join(map(detokenizer.push, ids[end:])) == decoder.decode(ids)


@pytest.mark.parametrize("kind", ["bytes", "fallback"])
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("before", ["", "나", "b나"])
def test_a_character_that_the_prompt_begins_and_the_answer_does_not_complete_is_left_out(kind, size, before):
    decoder, encode = SPLITTERS[kind]
    rules = TextRules(context=tuple([*encode(before), *encode("힣")[:size]][-_CONTEXT_TOKENS:]))
    reader = AnswerReader(decoder, rules)
    assert join_parts([reader.read(TokenStep(token)) for token in encode("a나")]).text == "a나"


@given(tokens=st.lists(st.integers(0, len(_TOKENIZER) - 1), min_size=1, max_size=120))
@settings(max_examples=150, deadline=None)
def test_bytes_that_are_no_character_are_never_sent(tokens):
    """A sampled answer may begin a character and go on with another one."""
    reader = AnswerReader(Decoder(), TextRules(keeps_end_token=True))
    *others, last = tokens
    parts = [reader.read(TokenStep(token)) for token in others] + [reader.read(TokenStep(last, finish_reason="length"))]
    assert not any("\ufffd" in part.text for part in parts)
    answer = join_parts(parts)
    assert answer.text == Decoder().decode(tokens).replace("\ufffd", "")
    assert [token.id for token in answer.tokens] == tokens
    starts = [token.start for token in answer.tokens]
    assert starts == sorted(starts)
    assert starts[-1] <= len(answer.text)


@given(text=st.text(alphabet="a가 나힣👍é\n", min_size=1))
@settings(max_examples=200, deadline=None)
def test_characters_outside_the_vocabulary_are_never_sent_in_halves(text):
    decoder = FallbackDecoder()
    tokens = decoder.encode(f"a{text}")
    detokenizer = Detokenizer(decoder)
    parts = [detokenizer.push(token) for token in tokens]
    assert "".join(parts) == f"a{text}" == decoder.decode(tokens)
    assert not any("\ufffd" in part for part in parts)


@given(tokens=st.lists(st.integers(1, 260), max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_the_characters_that_are_complete(tokens):
    decoder = FallbackDecoder()
    detokenizer = Detokenizer(decoder)
    text = "".join(detokenizer.push(token) for token in tokens)
    plain = {257: b" ", 258: b"a", 259: b"b", 260: "가".encode()}
    expected = b"".join(plain.get(token) or bytes([token - 1]) for token in tokens).decode(errors="ignore")
    assert not set(text) - set(expected) - {"\ufffd"}


@pytest.mark.parametrize("encode", [encode_bytes, lambda text: _TOKENIZER.encode(text, split_special_tokens=True)])
@given(text=TEXTS.filter(lambda text: "\ufffd" not in text and unicodedata.is_normalized("NFC", text)))
@settings(max_examples=150, deadline=None)
def test_the_parts_joined_are_the_text_and_none_has_half_a_character(encode, text):
    detokenizer = Detokenizer(Decoder())
    parts = [detokenizer.push(token) for token in encode(text)]
    assert "".join(parts) == text
    assert not any("\ufffd" in part for part in parts)


@given(tokens=st.lists(st.integers(0, len(_TOKENIZER) - 1), max_size=120))
@settings(max_examples=150, deadline=None)
def test_any_tokens_give_what_the_tokenizer_gives_but_for_an_incomplete_end(tokens):
    detokenizer = Detokenizer(Decoder())
    text = "".join(detokenizer.push(token) for token in tokens)
    assert text.rstrip("\ufffd") == Decoder().decode(tokens).rstrip("\ufffd")


def test_endless_invalid_bytes_are_decoded_in_a_bounded_window():
    lengths = []

    class Counting(Decoder):
        def decode(self, ids):
            lengths.append(len(ids))
            return super().decode(ids)

    detokenizer = Detokenizer(Counting())
    (first,) = encode_bytes("가")[:1]
    assert set("".join(detokenizer.push(first) for _ in range(1000))) == {"\ufffd"}
    assert max(lengths) <= 65


@given(
    text=st.text(alphabet="ab가", max_size=30),
    stops=st.lists(st.text(alphabet="ab가", min_size=1, max_size=4), max_size=4),
    cuts=st.lists(st.integers(0, 30), max_size=10),
)
@settings(max_examples=300, deadline=None)
def test_a_stop_text_is_found_wherever_the_text_is_cut(text, stops, cuts):
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parts = [text[start:end] for start, end in pairwise(borders)]
    scanner = StopScanner(stops)
    passed = ""
    for part in parts:
        passed += scanner.push(part)
        assert not any(stop in passed for stop in stops)
    passed += "" if scanner.is_stopped else scanner.flush()
    # The stop text that is complete first may begin before or after another one that is not.
    assert text.startswith(passed)
    assert scanner.is_stopped is any(stop in text for stop in stops)
    if scanner.is_stopped:
        assert any(text[len(passed) :].startswith(stop) for stop in stops)
    else:
        assert passed == text
    assert not any(stop in passed for stop in stops)


@pytest.mark.parametrize("split", [encode_bytes, _TOKENIZER.encode])
def test_blanks_at_both_ends_are_trimmed_and_those_between_stay(split):
    reader = AnswerReader(Decoder(), TextRules(is_trimmed=True))
    parts = [reader.read(TokenStep(token)) for token in split(" \n 가  나 ")]
    last = reader.read(TokenStep(_TOKENIZER.eos_token_id, finish_reason="stop"))
    assert join_parts([*parts, last]).text == "가  나"
    assert last.finish_reason == "stop"
    assert last.completion_tokens == len(parts) + 1


def test_a_character_that_the_limit_cuts_is_left_out():
    reader = AnswerReader(Decoder(), TextRules())
    *tokens, last = encode_bytes("가나")[:-1]
    parts = [reader.read(TokenStep(token)) for token in tokens] + [reader.read(TokenStep(last, finish_reason="length"))]
    assert join_parts(parts).text == "가"


def test_tokens_from_the_stop_text_on_are_left_out():
    reader = AnswerReader(Decoder(), TextRules(stops=("나다",)))
    parts = [reader.read(TokenStep(token)) for token in encode_bytes("가나다라")[:9]]
    answer = join_parts(parts)
    assert (answer.text, answer.finish_reason) == ("가", "stop")
    assert [token.start for token in answer.tokens] == [0, 0, 0]
