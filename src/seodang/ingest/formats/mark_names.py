"""Bring the key of a mark into the spelling of mark_words, and separate verdicts from counts."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from seodang.ingest.formats import mark_words as words
from seodang.ingest.formats.korean_names import normalize_korean_name

_PREFIX: Final = re.compile(r"(?:is|has|was|were|contains|should)_")
_ARGILLA: Final = re.compile(r"\.responses?(?=\.status$|$)")  # of a question's column: quality.responses.status
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_KNOWN_NAMES: Final = frozenset().union(
    *(words.GOOD_KEYS, words.BAD_KEYS, words.CONFIRMED_KEYS, words.DOUBT_KEYS, words.STATUS_KEYS, words.DATE_KEYS),
    *(words.WEIGHT_KEYS, words.RATING_KEYS, words.CORRECTION_KEYS, words.SPLIT_KEYS, words.HELD_OUT_KEYS),
    *(words.VOTE_KEYS, words.HARM_KEYS, words.GRADE_KEYS, words.LEVEL_KEYS, words.NOTE_KEYS, words.REASON_KEYS),
)


@lru_cache(maxsize=4096)
def normalize_name(key: str) -> str:
    """Return a key as mark_words spells it: isHumanApproved, human_approved and 승인_여부 are names of one kind."""
    key = _ARGILLA.sub("", key.strip())
    name = _PREFIX.sub("", re.sub(r"[\s-]+", "_", _CAMEL.sub("_", key).lower())).removeprefix("status.")
    name = "status" if name.endswith(".status") else name
    if name in _KNOWN_NAMES:
        return name
    if not name.isascii():
        return normalize_korean_name(name)
    words_ = name.split("_")
    if len(words_) == 1:
        return name
    if words_[-1] in words.LAST_WORDS:
        return words_[-1]
    return words_[0] if words_[0] in words.FIRST_WORDS and words_[1] in words.LINKING_WORDS else name


def may_judge(key: str) -> bool:
    """Return whether a key looks like a verdict or a flag: its name is known, begins with is_ or ends with 여부."""
    name = key.rsplit(".", 1)[-1]
    is_flag = _PREFIX.match(_CAMEL.sub("_", name).lower()) is not None or name.endswith(("여부", "유무", "_yn", "YN"))
    return is_flag or normalize_name(name) in _KNOWN_NAMES - words.SPLIT_KEYS - {"label", "labels", "tag"}


@lru_cache(maxsize=4096)
def may_count(key: str) -> bool:
    """Return whether a number under a key may be a count or an index: the name is longer than the known word."""
    name = _CAMEL.sub("_", key.rsplit(".", 1)[-1].strip()).lower().replace("-", "_").replace(" ", "_")
    if not name.isascii():
        return False  # 오류여부: 1 is a flag; a count has another name, such as 오류수
    is_flag = _PREFIX.match(name) is not None
    return not is_flag and (normalize_name(name) in words.INDEX_KEYS or normalize_name(name) != name)
