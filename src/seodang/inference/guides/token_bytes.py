"""The bytes that each token adds to a text, read from the decoder of its tokenizer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from transformers import PreTrainedTokenizerFast

from seodang.i18n import _
from seodang.inference.engine.contract import GuideFailed

BYTE_TOKEN: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>")  # SentencePiece's byte fallback
_Step = Callable[[str | bytes], str | bytes]
"""A step of a decoder for one token; bytes are final."""


def read_token_bytes(tokenizer: PreTrainedTokenizerFast) -> list[bytes]:
    """Return the bytes of each token id as the tokenizer decodes it within a text; b"" for ids without a token.

    Control tokens, which have no text, have the bytes of their names.

    Args:
        tokenizer: With the decoder of byte-level BPE, or of SentencePiece's BPE and Unigram, with byte fallback or not.

    Raises:
        GuideFailed: If a token has different bytes beside different tokens, as WordPiece's have, which writes blanks
            between words and takes them away before some characters.
    """
    backend = tokenizer.backend_tokenizer
    steps = [_build_step(decoder) for decoder in _list_decoders(json.loads(backend.to_str())["decoder"])]
    return [_decode(backend.id_to_token(id) or "", steps) for id in range(_count_ids(tokenizer))]


def list_control_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Return the tokens that the text of an answer does not contain."""
    return [id for id, token in tokenizer.added_tokens_decoder.items() if token.special]


def _count_ids(tokenizer: PreTrainedTokenizerFast) -> int:
    return max(tokenizer.get_vocab().values(), default=-1) + 1


def _decode(token: str, steps: Sequence[_Step]) -> bytes:
    content: str | bytes = token
    for step in steps:
        content = step(content)
    return content if isinstance(content, bytes) else content.encode()


def _list_decoders(decoder: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of a decoder that change single tokens.

    A step after `Fuse` changes the complete text. It may take a blank from its beginning, which is no part of an
    answer. A step after `ByteFallback` would change what several tokens of bytes write together.
    """
    if decoder is None:
        raise _build_error("-")
    if decoder["type"] != "Sequence":
        yield decoder
        return
    previous = ""
    for step in decoder["decoders"]:
        kind = step["type"]
        if kind == "Strip" and previous == "Fuse" and step["content"] == " " and step["stop"] == 0:
            continue
        if previous == "Fuse" or (previous == "ByteFallback" and kind != "Fuse"):
            raise _build_error(f"{previous}, {kind}")
        if kind != "Fuse":
            yield from _list_decoders(step)
        previous = kind


def _build_step(decoder: Mapping[str, Any]) -> _Step:
    kind = decoder["type"]
    if kind == "ByteLevel":
        return _decode_byte_level
    if kind == "ByteFallback":
        return _decode_byte_token
    if kind == "Metaspace":
        return _build_replacement(decoder["replacement"], " ")
    if kind == "Replace" and "String" in decoder["pattern"]:
        return _build_replacement(decoder["pattern"]["String"], decoder["content"])
    raise _build_error(kind)


def _build_replacement(old: str, new: str) -> _Step:
    def replace(content: str | bytes) -> str | bytes:
        return content if isinstance(content, bytes) else content.replace(old, new)

    return replace


def _decode_byte_token(content: str | bytes) -> str | bytes:
    match = None if isinstance(content, bytes) else BYTE_TOKEN.fullmatch(content)
    return content if match is None else bytes([int(match[1], 16)])


def _decode_byte_level(content: str | bytes) -> str | bytes:
    table = read_byte_table()
    if isinstance(content, bytes) or not all(character in table for character in content):
        return content
    return bytes(table[character] for character in content)


@cache
def read_byte_table() -> dict[str, int]:
    """Return the byte of each character of byte-level BPE (GPT-2's encoder.py, bytes_to_unicode)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


def _build_error(decoder: str) -> GuideFailed:
    return GuideFailed(
        _(
            "the tokenizer of this model cannot keep answers to a given form: its decoder ({name}) writes a token"
            " differently beside different tokens",
            name=decoder,
        )
    )
