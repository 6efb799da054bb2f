"""Bring the key of a mark into the spelling of mark_words, and separate verdicts from counts."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from seodang.ingest.formats import mark_words as words

_PREFIX: Final = re.compile(r"(?:is|has|was|were|contains|should)_")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_KNOWN_NAMES: Final = frozenset().union(
    *(words.GOOD_KEYS, words.BAD_KEYS, words.CONFIRMED_KEYS, words.DOUBT_KEYS, words.STATUS_KEYS, words.DATE_KEYS),
    *(words.WEIGHT_KEYS, words.RATING_KEYS, words.CORRECTION_KEYS, words.SPLIT_KEYS, words.HELD_OUT_KEYS),
    *(words.VOTE_KEYS, words.HARM_KEYS, words.GRADE_KEYS),
)


@lru_cache(maxsize=4096)
def normalize_name(key: str) -> str:
    """Return a key as mark_words spells it: isHumanApproved and human_approved are "approved"."""
    name = _PREFIX.sub("", re.sub(r"[\s-]+", "_", _CAMEL.sub("_", key.strip()).lower()))
    words_ = name.split("_")
    if name in _KNOWN_NAMES or len(words_) == 1:
        return name
    if words_[-1] in words.LAST_WORDS:
        return words_[-1]
    return words_[0] if words_[0] in words.FIRST_WORDS and words_[1] in words.LINKING_WORDS else name


@lru_cache(maxsize=4096)
def may_count(key: str) -> bool:
    """Return whether a number under a key may be a count or an index: the name is longer than the known word."""
    name = _CAMEL.sub("_", key.rsplit(".", 1)[-1].strip()).lower().replace("-", "_").replace(" ", "_")
    is_flag = _PREFIX.match(name) is not None
    return not is_flag and (normalize_name(name) in words.INDEX_KEYS or normalize_name(name) != name)
