"""Boilerplate: phrases such as greetings, closings and signatures that many different texts share.

Its frequency tells a phrase from content. The phrases of all records are counted once, in tables of a fixed size,
and the search for leaks then compares texts without the common ones.
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
        for counter in {_find_counter(phrase) for phrase in split_phrases(text)}:
            if self._counts[counter] <= _MANY_TEXTS:
                self._counts[counter] += 1

    def is_common(self, phrase: str, limit: int = _MAX_TEXTS) -> bool:
        """Return whether more than `limit` different texts have the phrase, whatever the numbers in it."""
        return bool(self._counts[_find_counter(phrase)] > limit)

    def remove(self, text: str, limit: int = _MAX_TEXTS) -> str:
        """Return the text without its common phrases.

        If nothing else is left, numbers make the difference: "3 apples and 5 pears" are another question than "2 apples
        and 7 pears", and nothing is left to compare. A text without numbers is a copied one, and stays.
        """
        content = "".join(phrase for phrase in split_phrases(text) if not self.is_common(phrase, limit))
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

    def _is_frame(self, phrase: str) -> bool:
        return not _DIGITS.search(phrase) and self.is_common(phrase)


@lru_cache(maxsize=4096)  # the search for leaks asks for the same texts several times
def split_phrases(text: str) -> tuple[str, ...]:
    """Return the phrases of a text with their punctuation; joined, they are the text."""
    ends = [match.end() for match in _BORDER.finditer(text)]
    return tuple(text[start:end] for start, end in pairwise([0, *ends, len(text)]) if start < end)


@lru_cache(maxsize=1 << 15)
def _find_counter(phrase: str) -> int:
    letters = _NOT_A_LETTER.sub("", _DIGITS.sub("0", phrase.casefold()))
    return crc32(letters.encode("utf-8", "surrogatepass")) % _COUNTERS
