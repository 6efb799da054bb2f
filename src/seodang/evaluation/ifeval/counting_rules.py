"""Rules that count: keywords, letters, words, sentences, paragraphs."""

from __future__ import annotations

import re
import unicodedata

from seodang.evaluation.ifeval.arguments import Arguments
from seodang.evaluation.ifeval.text import cased_words, paragraphs, sentences, words

_HANGUL_END = re.compile("[\uac00-\ud7a3]$")
_FIRST_WORD = re.compile(r"[^.,?!'\"”’。，？！]*")


def keywords_exist(answer: str, arguments: Arguments) -> bool:
    """All keywords occur, also within words, in any case."""
    return all(_plain(keyword) in _plain(answer) for keyword in arguments.texts("keywords"))


def keyword_frequency(answer: str, arguments: Arguments) -> bool:
    """A keyword occurs so often, also within words, in any case."""
    return arguments.holds(_plain(answer).count(_plain(arguments.text("keyword"))), "relation", "frequency")


def no_forbidden_word(answer: str, arguments: Arguments) -> bool:
    """None of the words occurs as a whole word, in any case.

    A word that ends in Hangul is whole with a particle behind it, too: 바위 is in 바위가, but not in 큰바위.
    """
    return not any(_as_word(word).search(_plain(answer)) for word in arguments.texts("forbidden_words"))


def _as_word(word: str) -> re.Pattern[str]:
    plain = _plain(word)
    return re.compile(rf"(?<!\w){re.escape(plain)}" + ("" if _HANGUL_END.search(plain) else r"(?!\w)"))


def letter_frequency(answer: str, arguments: Arguments) -> bool:
    """A letter, or a syllable of Hangul, occurs so often, in any case."""
    return arguments.holds(_plain(answer).count(_plain(arguments.text("letter"))), "let_relation", "let_frequency")


def capital_word_frequency(answer: str, arguments: Arguments) -> bool:
    """So many words are all in capitals."""
    return arguments.holds(sum(word.isupper() for word in cased_words(answer)), "capital_relation", "capital_frequency")


def number_of_words(answer: str, arguments: Arguments) -> bool:
    """It has so many words."""
    return arguments.holds(len(words(answer)), "relation", "num_words")


def number_of_sentences(answer: str, arguments: Arguments) -> bool:
    """It has so many sentences."""
    return arguments.holds(len(sentences(answer)), "relation", "num_sentences")


def number_of_paragraphs(answer: str, arguments: Arguments) -> bool:
    """It has just so many paragraphs, with *** between them."""
    return len(paragraphs(answer, "***") or []) == arguments.number("num_paragraphs")


def first_word_of_paragraph(answer: str, arguments: Arguments) -> bool:
    """It has just so many paragraphs, with blank lines between them, and the one of that number begins with the word.

    Several blank lines are as good as one, where the published rules count the nothing between them when they look for the
    paragraph of that number.
    """
    found = [part.strip() for part in answer.split("\n\n") if part.strip()]
    place, count = arguments.number("nth_paragraph"), arguments.number("num_paragraphs")
    if len(found) != count or not 1 <= place <= count:
        return False
    first = found[place - 1].split()[0].lstrip("'\"“‘")
    begins = _FIRST_WORD.match(_plain(first))
    return begins is not None and begins[0] == _plain(arguments.text("first_word"))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()
