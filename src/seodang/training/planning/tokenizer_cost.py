"""What a text costs with a tokenizer: tokens per Hangul syllable and per word, per record, and the text that fits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from transformers import PreTrainedTokenizerBase

from seodang.models.tokenization import encode_text
from seodang.records import Language, Record
from seodang.training.planning.sample_texts import ENGLISH, KOREAN

_WORDS: Final[dict[Language, re.Pattern[str]]] = {
    "ko": re.compile("[\uac00-\ud7a3]+"),
    "en": re.compile("[A-Za-z]+(?:['’-][A-Za-z]+)*"),
}
_MINIMUM_WORDS: Final = 100  # of a language in the records; with fewer, the bundled text is counted


@dataclass(frozen=True, slots=True)
class Texts:
    """The words of each text of a language, and where they come from."""

    words: tuple[tuple[str, ...], ...]
    is_bundled: bool
    """Whether the text is the bundled one, because the records have too few words of the language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Texts whose tokens are counted; every tokenizer gets the same ones."""

    korean: Texts
    english: Texts
    records: tuple[str, ...]
    """The texts of each sampled record, without a prompt format; empty without records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerCost:
    """Tokens that texts cost."""

    tokens_per_syllable: float
    """Of the Hangul words of Korean texts."""
    tokens_per_eojeol: float
    """Fertility in Korean: tokens per run of Hangul syllables (Rust et al. 2021, arXiv 2012.15613)."""
    tokens_per_word: float
    """Fertility in English."""
    tokens_per_record: float | None
    """Mean of the texts of a record, without the prompt format; None without records."""
    korean_to_english: float
    """Tokens of the bundled Korean texts per token of the English ones with the same content."""
    context: int | None
    """Tokens that the model reads at most; None for no limit, or if it is not known."""
    vocabulary: int

    @property
    def context_syllables(self) -> int | None:
        """Return how many Hangul syllables fit into the context."""
        return None if self.context is None else int(self.context / self.tokens_per_syllable)


def build_corpus(records: Sequence[Record]) -> Corpus:
    """Return the words of the records by language; the bundled text where they have fewer than 100 words."""
    return Corpus(
        korean=_collect_texts("ko", records, KOREAN),
        english=_collect_texts("en", records, ENGLISH),
        records=tuple("\n".join(_list_texts(record)) for record in records),
    )


def _collect_texts(language: Language, records: Iterable[Record], bundled: Sequence[str]) -> Texts:
    found = _find_words(language, ("\n".join(_list_texts(record)) for record in records if record.language == language))
    if sum(map(len, found)) >= _MINIMUM_WORDS:
        return Texts(found, is_bundled=False)
    return Texts(_find_words(language, bundled), is_bundled=True)


def _find_words(language: Language, texts: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(words) for text in texts if (words := _WORDS[language].findall(text)))


def _list_texts(record: Record) -> list[str]:
    turns = (turn.content for turn in record.turns)
    return [text for text in (record.system, *turns, record.instruction, record.input, record.output) if text]


def measure_tokenizer(tokenizer: PreTrainedTokenizerBase, corpus: Corpus, context: int | None) -> TokenizerCost:
    """Return what the corpus costs. Words are counted in texts of words and blanks, without marks and digits.

    Args:
        tokenizer: Of the model.
        corpus: The same one for all tokenizers that are compared.
        context: Tokens that the model reads at most, if it has a limit.
    """
    korean = _count_words(tokenizer, corpus.korean)
    syllables = sum(len(word) for words in corpus.korean.words for word in words)
    return TokenizerCost(
        tokens_per_syllable=korean / syllables,
        tokens_per_eojeol=korean / sum(map(len, corpus.korean.words)),
        tokens_per_word=_count_words(tokenizer, corpus.english) / sum(map(len, corpus.english.words)),
        tokens_per_record=_count_tokens(tokenizer, corpus.records) / len(corpus.records) if corpus.records else None,
        korean_to_english=_count_tokens(tokenizer, KOREAN) / _count_tokens(tokenizer, ENGLISH),
        context=context,
        vocabulary=len(tokenizer),
    )


def _count_words(tokenizer: PreTrainedTokenizerBase, texts: Texts) -> int:
    return _count_tokens(tokenizer, [" ".join(words) for words in texts.words])


def _count_tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> int:
    return sum(len(encode_text(tokenizer, text)) for text in texts)
