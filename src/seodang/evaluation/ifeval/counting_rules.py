"""Rules that count keywords, letters, words, sentences or paragraphs.

Each rule takes an answer and the arguments of its instruction, and returns whether the answer follows it.
"""

from __future__ import annotations

import re
import unicodedata

from seodang.evaluation.ifeval.arguments import Arguments
from seodang.evaluation.ifeval.text import split_cased_words, split_paragraphs, split_sentences, split_words

_HANGUL_END = re.compile("[\uac00-\ud7a3]$")
_FIRST_WORD = re.compile(r"[^.,?!'\"”’。，？！]*")


def has_keywords(answer: str, arguments: Arguments) -> bool:
    """Return whether all keywords occur, in any case, also within words."""
    return all(_normalize(keyword) in _normalize(answer) for keyword in arguments.get_texts("keywords"))


def has_keyword_frequency(answer: str, arguments: Arguments) -> bool:
    """Return whether a keyword occurs as often as required, in any case, also within words."""
    return arguments.check_relation(
        _normalize(answer).count(_normalize(arguments.get_text("keyword"))), "relation", "frequency"
    )


def has_no_forbidden_word(answer: str, arguments: Arguments) -> bool:
    """Return whether none of the forbidden words occurs as a separate word, in any case.

    A particle may follow a word that ends in Hangul: 바위 occurs in 바위가, but not in 큰바위.
    """
    return not any(
        _compile_word_pattern(word).search(_normalize(answer)) for word in arguments.get_texts("forbidden_words")
    )


def _compile_word_pattern(word: str) -> re.Pattern[str]:
    normalized = _normalize(word)
    return re.compile(rf"(?<!\w){re.escape(normalized)}" + ("" if _HANGUL_END.search(normalized) else r"(?!\w)"))


def has_letter_frequency(answer: str, arguments: Arguments) -> bool:
    """Return whether a letter or Hangul syllable occurs as often as required, in any case."""
    return arguments.check_relation(
        _normalize(answer).count(_normalize(arguments.get_text("letter"))), "let_relation", "let_frequency"
    )


def has_capital_word_frequency(answer: str, arguments: Arguments) -> bool:
    """Return whether as many words as required are in capital letters."""
    return arguments.check_relation(
        sum(word.isupper() for word in split_cased_words(answer)), "capital_relation", "capital_frequency"
    )


def has_word_count(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer has as many words as required."""
    return arguments.check_relation(len(split_words(answer)), "relation", "num_words")


def has_sentence_count(answer: str, arguments: Arguments) -> bool:
    """Return whether the answer has as many sentences as required."""
    return arguments.check_relation(len(split_sentences(answer)), "relation", "num_sentences")


def has_paragraph_count(answer: str, arguments: Arguments) -> bool:
    """Return whether *** separates exactly the required number of paragraphs."""
    return len(split_paragraphs(answer, "***") or []) == arguments.get_int("num_paragraphs")


def has_paragraph_first_word(answer: str, arguments: Arguments) -> bool:
    """Return whether blank lines separate exactly the required number of paragraphs, and the n-th begins with the word.

    A particle may follow a word that ends in Hangul: 날씨가 begins with 날씨. Several blank lines count as one. The
    published rule counts the empty paragraphs between them when it looks for the n-th.
    """
    parts = [part.strip() for part in answer.split("\n\n") if part.strip()]
    position, count = arguments.get_int("nth_paragraph"), arguments.get_int("num_paragraphs")
    if len(parts) != count or not 1 <= position <= count:
        return False
    first = parts[position - 1].split()[0].lstrip("'\"“‘")
    match = _FIRST_WORD.match(_normalize(first))
    word = _normalize(arguments.get_text("first_word"))
    if match is None or not _HANGUL_END.search(word):
        return match is not None and match[0] == word
    return match[0].startswith(word)


def _normalize(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()
