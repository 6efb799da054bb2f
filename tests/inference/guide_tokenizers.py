"""Tokenizers for tests of guided answers: each decoder whose tokens have bytes of their own, and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

END: Final = 1
_TEXTS: Final = [
    '안녕하세요 {"이름": "값 하나"}, [1, 23, 456.7, true, false, null] 가나다 2026-11-30T01:02:03Z',
    "다음 문장의 감정을 분석해 주세요: 긍정 부정",
] * 10
_CONTROLS: Final = ["<unk>", "</s>", "<|end|>"]
_ALPHABET: Final = sorted(
    {*"".join(_TEXTS), *'{}[]",:.-+\\/0123456789abcdefghijklmnopqrstuvwxyz가나다라마바사'} - {" "}
)
_LLAMA: Final = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]


def _finish(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>")


def _create_byte_level(normalizer: Any = None) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        _TEXTS,
        trainers.BpeTrainer(vocab_size=420, special_tokens=_CONTROLS, initial_alphabet=alphabet, show_progress=False),
    )
    return _finish(tokenizer)


def _create_sentencepiece(decoder: Any) -> PreTrainedTokenizerFast:
    """Create the BPE of Llama 2 and Gemma."""
    pieces = [*_CONTROLS, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *_ALPHABET, "안녕", "▁안", '":', '▁"']
    ids = {piece: number for number, piece in enumerate(pieces)}
    merges = [("안", "녕"), ("▁", "안"), ('"', ":"), ("▁", '"')]
    tokenizer = Tokenizer(models.BPE(ids, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoder
    tokenizer.add_special_tokens(_CONTROLS)
    return _finish(tokenizer)


def _create_unigram(decoder: Any, normalizer: Any = None, *, has_bytes: bool = False) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(
        _TEXTS,
        trainers.UnigramTrainer(
            vocab_size=260,
            special_tokens=_CONTROLS,
            unk_token="<unk>",
            initial_alphabet=_ALPHABET,
            show_progress=False,
        ),
    )
    vocabulary = [(piece, -float(id)) for piece, id in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    if has_bytes:
        vocabulary += [(f"<0x{byte:02X}>", -1000.0) for byte in range(256)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 0, byte_fallback=has_bytes))
    tokenizer.normalizer = normalizer or normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoder
    tokenizer.add_special_tokens(_CONTROLS)
    return _finish(tokenizer)


def _create_other(decoder: Any) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece({"<unk>": 0, "</s>": 1, "가": 2, "##나": 3}, unk_token="<unk>"))
    if decoder is not None:
        tokenizer.decoder = decoder
    return _finish(tokenizer)


GUIDED: Final[Mapping[str, Callable[[], PreTrainedTokenizerFast]]] = {
    "byte-level": _create_byte_level,
    "byte-level-nfc": lambda: _create_byte_level(normalizers.NFC()),
    "byte-level-in-sequence": lambda: _replace_decoder(_create_byte_level(), decoders.Sequence([decoders.ByteLevel()])),
    "llama": lambda: _create_sentencepiece(decoders.Sequence(_LLAMA)),
    "gemma": lambda: _create_sentencepiece(decoders.Sequence(_LLAMA[:3])),
    "unigram": lambda: _create_unigram(decoders.Metaspace()),
    "unigram-nfkc": lambda: _create_unigram(decoders.Metaspace(), normalizers.NFKC()),
    "unigram-bytes": lambda: _create_unigram(decoders.Sequence(_LLAMA), has_bytes=True),
    "unigram-bytes-nfkc": lambda: _create_unigram(decoders.Sequence(_LLAMA[:3]), normalizers.NFKC(), has_bytes=True),
}
"""With the end token 1."""
REFUSED: Final[Mapping[str, Callable[[], PreTrainedTokenizerFast]]] = {
    "WordPiece": lambda: _create_other(decoders.WordPiece()),
    "BPEDecoder": lambda: _create_other(decoders.BPEDecoder()),
    "CTC": lambda: _create_other(decoders.CTC()),
    "-": lambda: _create_other(None),
    "ByteFallback, Metaspace": lambda: _create_other(
        decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    ),
    "Fuse, Replace": lambda: _create_other(decoders.Sequence([decoders.Fuse(), decoders.Replace("가 ", "")])),
}
"""By the decoder that the message names."""


def _replace_decoder(tokenizer: PreTrainedTokenizerFast, decoder: Any) -> PreTrainedTokenizerFast:
    tokenizer.backend_tokenizer.decoder = decoder
    return tokenizer
