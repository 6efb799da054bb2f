"""Tokenizers of each kind with control tokens, marked as special and not, for tests of the service."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.constants import ENGLISH, KOREAN
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

CONTROLS: Final = ("<unk>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|end|>")
UNMARKED: Final = ("<think>", "[TOOL_CALLS]")
"""Added tokens that control a model, though they are not marked as special."""
_TEXTS: Final = [*KOREAN, *ENGLISH, "<|end|> [TOOL_CALLS] </s> think user assistant"] * 5
_TEMPLATE: Final = (
    "{% for m in messages %}<|{{ 'assistant' if m.role == 'assistant' else 'user' }}|>{{ m.content }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def _finish(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in UNMARKED])
    result = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=["<|user|>", "<|assistant|>", "<|end|>"],
    )
    result.chat_template = _TEMPLATE
    return result


def _create_byte_level() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        _TEXTS, trainers.BpeTrainer(vocab_size=500, special_tokens=list(CONTROLS), initial_alphabet=alphabet)
    )
    return _finish(tokenizer)


def _create_sentencepiece(prepend: str) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend, split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = [*CONTROLS, *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(
        _TEXTS, trainers.BpeTrainer(vocab_size=700, special_tokens=special, initial_alphabet=list("<|>[/]_"))
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if not token["content"].startswith("<0x")]
    return _finish(Tokenizer.from_str(json.dumps(state)))  # the tokens of bytes are text


def _create_unigram() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        _TEXTS,
        trainers.UnigramTrainer(
            vocab_size=300, special_tokens=list(CONTROLS), unk_token="<unk>", initial_alphabet=list("<|>[/]_가나")
        ),
    )
    return _finish(tokenizer)


def _create_wordpiece() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(
        _TEXTS,
        trainers.WordPieceTrainer(vocab_size=400, special_tokens=list(CONTROLS), initial_alphabet=list("<|>[/]_가나")),
    )
    return _finish(tokenizer)


TOKENIZERS: Final[Mapping[str, Callable[[], Any]]] = {
    "byte-level": _create_byte_level,
    "sentencepiece": lambda: _create_sentencepiece("always"),
    "sentencepiece-first": lambda: _create_sentencepiece("first"),
    "unigram": _create_unigram,
    "wordpiece": _create_wordpiece,
}
