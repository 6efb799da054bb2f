"""A record to which constraints are added, and how its answer is split."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.evaluation.ifeval.text import split_sentences
from seodang.records import Language, Record, detect_language

_LIST_MARK: Final = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s*")
_PARTICLE: Final = re.compile("(?:에서는|으로|에서|에게|까지|부터|처럼|은|는|이|가|을|를|의|에|로|와|과|도|만)$")
_OTHER_RECORDS, _OTHER_WORDS = 3, 12  # other answers, of which so many words are offered as forbidden ones
_HANGUL_WORD: Final = re.compile("[\uac00-\ud7a3]{2,}")
_LATIN_WORD: Final = re.compile(r"\b[A-Za-z]{4,}\b")


@dataclass(frozen=True, slots=True)
class Draft:
    """One instruction with its answer, before a constraint."""

    instruction: str
    answer: str
    language: Language
    body: str
    """The answer of the source, in which keywords are sought."""
    other_words: tuple[str, ...]
    """Words of other answers in the language, in which forbidden words are sought."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a builder found for a draft."""

    id: str  # of a rule of seodang.evaluation.ifeval
    arguments: Mapping[str, Any]  # of the rule
    values: Mapping[str, object]  # for the phrasing
    answer: str  # that meets the constraint; the draft's own where it already does
    phrasing: str = ""  # key of the phrasings; "": the id


Builder = Callable[[Draft, random.Random], Constraint | None]
"""Takes a draft and a source of random numbers; returns None where the constraint does not suit the answer."""


def split_points(answer: str) -> list[str]:
    """Return the points that an answer makes: its lines without list marks, or the sentences of a single line."""
    lines = [_LIST_MARK.sub("", line).strip() for line in answer.splitlines() if line.strip()]
    points = lines if len(lines) > 1 else split_sentences(answer)
    return [stripped for point in points if (stripped := _LIST_MARK.sub("", point).strip())]


def list_words(text: str, language: Language) -> list[str]:
    """Return the different words of a text in their order; Korean ones without their particles."""
    if language == "en":
        return list(dict.fromkeys(_LATIN_WORD.findall(text)))
    words = [_PARTICLE.sub("", word) for word in _HANGUL_WORD.findall(text)]
    return list(dict.fromkeys(word for word in words if len(word) > 1))


def list_other_words(records: Sequence[Record], number: int) -> list[str]:
    """Return words of the answers of the records before one, which may be forbidden in its own answer."""
    others = records[max(0, number - _OTHER_RECORDS) : number] or records[-_OTHER_RECORDS:]
    words = [word for record in others for word in list_words(record.output, detect_language(record.output))]
    return words[:_OTHER_WORDS]
