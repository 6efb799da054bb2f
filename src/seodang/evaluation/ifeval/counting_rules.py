"""Rules that count: keywords, letters, words, sentences, paragraphs."""

from __future__ import annotations

import re
import unicodedata

from seodang.evaluation.ifeval.arguments import Arguments
from seodang.evaluation.ifeval.text import split_cased_words, split_paragraphs, split_sentences, split_words

_HANGUL_END = re.compile("[\uac00-\ud7a3]$")
_FIRST_WORD = re.compile(r"[^.,?!'\"”’。，？！]*")


def has_keywords(answer: str, arguments: Arguments) -> bool:
    """All keywords occur, also within words, in any case."""
    return all(_normalize(keyword) in _normalize(answer) for keyword in arguments.get_texts("keywords"))


def has_keyword_frequency(answer: str, arguments: Arguments) -> bool:
    """A keyword occurs so often, also within words, in any case."""
    return arguments.check_relation(
        _normalize(answer).count(_normalize(arguments.get_text("keyword"))), "relation", "frequency"
    )


def has_no_forbidden_word(answer: str, arguments: Arguments) -> bool:
    """None of the words occurs as a whole word, in any case.

    A word that ends in Hangul is whole with a particle behind it, too: 바위 is in 바위가, but not in 큰바위.
    """
    return not any(
        _compile_word_pattern(word).search(_normalize(answer)) for word in arguments.get_texts("forbidden_words")
    )


def _compile_word_pattern(word: str) -> re.Pattern[str]:
    normalized = _normalize(word)
    return re.compile(rf"(?<!\w){re.escape(normalized)}" + ("" if _HANGUL_END.search(normalized) else r"(?!\w)"))


def has_letter_frequency(answer: str, arguments: Arguments) -> bool:
    """A letter, or a syllable of Hangul, occurs so often, in any case."""
    return arguments.check_relation(
        _normalize(answer).count(_normalize(arguments.get_text("letter"))), "let_relation", "let_frequency"
    )


def has_capital_word_frequency(answer: str, arguments: Arguments) -> bool:
    """So many words are all in capitals."""
    return arguments.check_relation(
        sum(word.isupper() for word in split_cased_words(answer)), "capital_relation", "capital_frequency"
    )


def has_word_count(answer: str, arguments: Arguments) -> bool:
    """It has so many words."""
    return arguments.check_relation(len(split_words(answer)), "relation", "num_words")


def has_sentence_count(answer: str, arguments: Arguments) -> bool:
    """It has so many sentences."""
    return arguments.check_relation(len(split_sentences(answer)), "relation", "num_sentences")


def has_paragraph_count(answer: str, arguments: Arguments) -> bool:
    """It has just so many paragraphs, with *** between them."""
    return len(split_paragraphs(answer, "***") or []) == arguments.get_int("num_paragraphs")


def has_paragraph_first_word(answer: str, arguments: Arguments) -> bool:
    """It has just so many paragraphs, with blank lines between them, and the one of that number begins with the word.

    Several blank lines are as good as one, where the published rules count the nothing between them when they look for the
    paragraph of that number.
    """
    parts = [part.strip() for part in answer.split("\n\n") if part.strip()]
    position, count = arguments.get_int("nth_paragraph"), arguments.get_int("num_paragraphs")
    if len(parts) != count or not 1 <= position <= count:
        return False
    first = parts[position - 1].split()[0].lstrip("'\"“‘")
    match = _FIRST_WORD.match(_normalize(first))
    return match is not None and match[0] == _normalize(arguments.get_text("first_word"))


def _normalize(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()
