"""Read whether the value of a flag is true: N, 없음, 부적절, or a text under `refusal`."""

from __future__ import annotations

from typing import Final

from seodang.ingest.formats import mark_values
from seodang.ingest.formats import mark_words as words
from seodang.ingest.formats.verdicts import normalize_word, parse_verdict

_CIRCLE_NAMES: Final = frozenset(("o/x", "ox"))


def read_truth(key: str, name: str, value: object) -> bool | None:
    """Return whether a flag is set; None if its value is no truth.

    Args:
        key: As in the record; under an English key, "x" and "o" are letters.
        name: Normalized name of the key.
        value: Of the key.

    """
    if not isinstance(value, str):
        return parse_verdict(value)
    word = normalize_word(value)
    if word in ("x", "o") and key.isascii() and name not in _CIRCLE_NAMES:
        return None
    if name in words.BAD_KEYS | words.DOUBT_KEYS and word in mark_values.PRESENT_WORDS | mark_values.ABSENT_WORDS:
        return word in mark_values.PRESENT_WORDS
    truth = parse_verdict(value)
    if truth is None and name in words.GOOD_KEYS and word in mark_values.BAD_STATUS:
        return False
    if truth is None and name in words.CONFIRMED_KEYS and word in mark_values.BAD_STATUS | mark_values.OPEN_STATUS:
        return False
    return truth
