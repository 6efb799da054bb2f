"""Boilerplate: phrases such as greetings, closings and signatures that many different texts share.

Its frequency tells a phrase from content. The phrases of all records are counted once, in tables of a fixed size. The
search for leaks then compares texts without the common ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

import numpy as np

from seodang.preparation.features import build_question
from seodang.records import Record

# A phrase in more different texts than this is boilerplate. Copies of a text count once, and an answer to as many
# different questions is a common one too (see quotes).
_MAX_TEXTS = 3
_MANY_TEXTS = 20
_MAX_FRAME = 200  # characters of greetings and closings in a text; a longer part is rather a passage with questions
# Words at the beginning and at the end of a text that are counted as well. A greeting or a closing may stand before or
# after the content without punctuation.
_EDGE_WORDS = range(5, 13)
_EDGE_TEXTS = 25  # words at an edge in more different texts are boilerplate; 20 records may reword the same item
_COUNTERS = 1 << 22  # of phrases; a collision makes a phrase look more frequent
_SEEN = 1 << 24  # of texts; a collision leaves a text out of the counts

# A phrase ends at a line break, or at punctuation before a blank: "1.5" and "a.b" stay.
_BORDER = re.compile(r"""[.?!…。？！,，;；:：~^♥]["'”’)\]]*(?:\s+|$)|\n+""")
_LETTER = re.compile(r"[^\W\d_]")
_DIGITS = re.compile(r"\d+")
_NOT_A_LETTER = re.compile(r"[\W_]+")


class Boilerplate:
    """Counts in how many different texts each phrase occurs, and removes the common phrases from a text."""

    def __init__(self) -> None:
        """Start with no text; no phrase is common."""
        self._counts = np.zeros(_COUNTERS, dtype=np.uint8)
        self._seen = np.zeros(_SEEN, dtype=np.bool_)

    def watch(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield the records, and count the phrases of their questions, inputs and answers."""
        for record in records:
            for text in (build_question(record), record.input, record.output):
                self.add(text)
            yield record

    def add(self, text: str) -> None:
        """Count the phrases of a text, unless an equal text has been counted."""
        number = crc32(text.encode("utf-8", "surrogatepass")) % _SEEN
        if self._seen[number]:
            return
        self._seen[number] = True
        phrases = split_phrases(text)
        if not phrases:
            return
        edges = (*_iter_edges(phrases[0], is_end=False), *_iter_edges(phrases[-1], is_end=True))
        for counter in {*map(_find_counter, phrases), *(counter for _, counter in edges)}:
            if self._counts[counter] <= _EDGE_TEXTS:
                self._counts[counter] += 1

    def is_common(self, phrase: str, limit: int = _MAX_TEXTS) -> bool:
        """Return whether more than `limit` different texts have the phrase, whatever the numbers in it."""
        return bool(self._counts[_find_counter(phrase)] > limit)

    def remove(self, text: str, limit: int = _MAX_TEXTS) -> str:
        """Return the text without its common phrases.

        If nothing else is left, numbers make the difference, and there is nothing to compare. "3 apples and 5 pears"
        are another question than "2 apples and 7 pears". A text without numbers is a copied one, and stays.
        """
        phrases = [phrase for phrase in split_phrases(text) if not self.is_common(phrase, limit)]
        if phrases:
            phrases[0] = self._remove_edge(phrases[0], is_end=False, limit=limit)
            phrases[-1] = self._remove_edge(phrases[-1], is_end=True, limit=limit)
        content = "".join(phrases)
        return content if _LETTER.search(content) or _DIGITS.search(text) else text

    def remove_frame(self, text: str) -> str:
        """Return the text without its common phrases; if they are a long part of it, without the most common ones."""
        content = self.remove(text)
        return content if len(text) - len(content) <= _MAX_FRAME else self.remove(text, _MANY_TEXTS)

    def strip(self, text: str) -> str:
        """Return the text without the common phrases at its beginning and its end; a phrase with a number stays."""
        phrases = list(split_phrases(text))
        while phrases and self._is_frame(phrases[0]):
            phrases.pop(0)
        while phrases and self._is_frame(phrases[-1]):
            phrases.pop()
        return "".join(phrases).strip()

    def _remove_edge(self, phrase: str, *, is_end: bool, limit: int) -> str:
        """Return a phrase without the longest common words at its beginning or end."""
        least = max(limit, _EDGE_TEXTS)
        lengths = [length for length, counter in _iter_edges(phrase, is_end=is_end) if self._counts[counter] > least]
        if not lengths:
            return phrase
        return phrase.rsplit(None, lengths[-1])[0] if is_end else phrase.split(None, lengths[-1])[-1]

    def _is_frame(self, phrase: str) -> bool:
        return not _DIGITS.search(phrase) and self.is_common(phrase)


@lru_cache(maxsize=4096)  # the search for leaks asks for the same texts several times
def split_phrases(text: str) -> tuple[str, ...]:
    """Return the phrases of a text with their punctuation; joined, they are the text."""
    ends = [match.end() for match in _BORDER.finditer(text)]
    return tuple(text[start:end] for start, end in pairwise([0, *ends, len(text)]) if start < end)


def _iter_edges(phrase: str, *, is_end: bool) -> Iterator[tuple[int, int]]:
    """Yield the number of words and the counter of the words at the beginning or end of a phrase, the fewest first."""
    parts = phrase.rsplit(None, _EDGE_WORDS[-1]) if is_end else phrase.split(None, _EDGE_WORDS[-1])
    words = parts[:0:-1] if is_end else parts[:-1]  # from the edge inwards, without the last word of the phrase
    if len(words) < _EDGE_WORDS[0]:
        return
    digest = crc32(b"$" if is_end else b"^")
    for length, word in enumerate(_DIGITS.sub("0", " ".join(words).casefold()).split(" "), start=1):
        digest = crc32(_NOT_A_LETTER.sub("", word).encode("utf-8", "surrogatepass"), digest)
        if length in _EDGE_WORDS:
            yield length, digest % _COUNTERS


@lru_cache(maxsize=1 << 15)
def _find_counter(phrase: str) -> int:
    letters = _NOT_A_LETTER.sub("", _DIGITS.sub("0", phrase.casefold()))
    return crc32(letters.encode("utf-8", "surrogatepass")) % _COUNTERS
