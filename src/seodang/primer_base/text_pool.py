"""Index running text by the features that a label can stand for: words, endings, and features with a meaning.

No text of a pool contains a word that the primer holds out of tuning (lexicon/held_out.yaml). So the base never reads
such a word with a label.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from seodang.hangul.sounds import get_final
from seodang.primer.item import read_lexicon
from seodang.records import Language, detect_language

Classes = Mapping[str, Sequence[str]]
"""Class -> its texts."""

MAX_WORDS = 8  # of a text
_MIN_TEXTS, _MAX_TEXTS = 6, 400  # of a class that one word or one ending defines
_MIN_LABEL_WORDS = 50  # with fewer words that are neither rare nor frequent, any word can be a label
_WORD = re.compile(r"[a-z']+|[가-힣]+")


@dataclass(frozen=True, slots=True)
class TextPool:
    """Texts of one language, by feature."""

    language: Language
    lines: Sequence[str]
    words: Classes
    """Texts that contain a word."""
    endings: Classes
    """Texts with the same last syllables or the same first word."""
    natural: Mapping[str, Classes]
    """Feature (tone, politeness, question, kind, ...) -> class -> texts."""
    word_keys: Sequence[str]
    ending_keys: Sequence[str]
    label_words: Sequence[str]
    """Words that stand for invented labels."""


def create_pool(language: Language, lines: Sequence[str], natural: Mapping[str, Classes]) -> TextPool:
    """Return the pool of a language; features with an empty class or a single class are left out."""
    words, endings = index_words(lines), index_endings(lines, language)
    kept = {name: classes for name, classes in natural.items() if len(classes) > 1 and all(classes.values())}
    label_words = (
        sorted(words) if len(words) >= _MIN_LABEL_WORDS else sorted({w for t in lines for w in split_words(t)})
    )
    return TextPool(language, lines, words, endings, kept, sorted(words), sorted(endings), label_words)


@cache
def _compile_held_out(language: Language) -> re.Pattern[str]:
    stems = {
        stem.lower()
        for name, lists in read_lexicon("held_out").items()
        for word in lists[language]
        if len(word) > 1
        for stem in (_list_korean_stems(name, word) if language == "ko" else [word])
    }
    choice = "|".join(re.escape(stem) for stem in sorted(stems, key=len, reverse=True))
    return re.compile(choice if language == "ko" else rf"\b(?:{choice})\b")


def _list_korean_stems(lexicon: str, word: str) -> list[str]:
    """Return beginnings of a word that all its inflected forms have: 훌륭 for 훌륭하, 놀랍 and 놀라 for 놀랍."""
    if lexicon == "style":  # verb phrases in the past
        return [word[:-2]]
    if lexicon != "sentiment":
        return [word]
    if len(word) > 2:
        return [word[:-1]]
    return [word, word[:-1] + chr(ord(word[-1]) - get_final(word[-1]))]


def has_held_out_word(text: str, language: Language) -> bool:
    """Return whether a text contains a word that the primer holds out of tuning."""
    return bool(_compile_held_out(language).search(text.lower()))


def iter_short_texts(lines: Iterable[str], language: Language) -> Iterator[str]:
    """Yield the lines of a language without held-out words, cut to a few words at the end of a sentence if possible."""
    for line in lines:
        if line.startswith("#") or detect_language(line) != language or has_held_out_word(line, language):
            continue
        words = line.split()
        if len(words) > MAX_WORDS:  # the last words of a Korean sentence hold its ending
            words = words[-MAX_WORDS:] if language == "ko" else words[:MAX_WORDS]
        if len(words) > 1:
            yield " ".join(words)


def split_words(text: str) -> list[str]:
    """Return the English and Korean words of a text in lower case."""
    return _WORD.findall(text.lower())


def index_words(texts: Sequence[str]) -> Classes:
    """Return the texts that contain each word, for words that are neither rare nor frequent."""
    index: dict[str, list[str]] = {}
    for text in texts:
        for word in set(split_words(text)):
            if len(word) > 1:
                index.setdefault(word, []).append(text)
    return {word: found for word, found in index.items() if _MIN_TEXTS <= len(found) <= _MAX_TEXTS}


def index_endings(texts: Sequence[str], language: Language) -> Classes:
    """Return the texts by their last two characters and, in English, by their first two words."""
    index: dict[str, list[str]] = {}
    for text in texts:
        key = text.rstrip(".!~ ")[-2:] if language == "ko" else " ".join(text.split()[:2])
        index.setdefault(key, []).append(text)
    return {key: found for key, found in index.items() if len(found) >= _MIN_TEXTS}
