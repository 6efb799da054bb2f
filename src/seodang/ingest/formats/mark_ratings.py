"""Find what numbers say about a record: a low rating, a weight of zero, a negative vote, a reversed pair."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from seodang.ingest.formats import mark_values
from seodang.ingest.formats import mark_words as words
from seodang.ingest.formats.mark_findings import Marks, iter_values
from seodang.ingest.formats.sample import RawRecord
from seodang.ingest.formats.verdicts import normalize_word
from seodang.ingest.rows import PAIR_REVERSED, RECORD_DOUBTFUL, RECORD_REJECTED

_LOW_RATING: Final = 0.4  # share of the highest rating up to which a rating is low: 2 of 5, 4 of 10
_MIN_SCALE: Final = 3.0  # with a smaller highest rating, the scale is unknown
_RATING: Final = re.compile(r"(\d+(?:\.\d+)?)(?:\s*/\s*(\d+(?:\.\d+)?))?")


@dataclass(frozen=True, slots=True)
class Scales:
    """What the first records of a file show about the numbers under its keys."""

    top_ratings: Mapping[str, float] = field(default_factory=dict)
    """Highest rating by key."""
    flag_keys: frozenset[str] = frozenset()
    """Keys such as `correct` that hold 0 and 1 and nothing else, in records without options: no count and no index."""


def find_scales(records: Sequence[RawRecord]) -> Scales:
    """Return the scales of the numbers in the first records of a file."""
    top: dict[str, float] = {}
    numbers: dict[str, set[object]] = {}
    has_options = False
    for record in records:
        has_options |= any(isinstance(value, list) and len(value) > 1 for value in record.values())
        for key, name, value in iter_values(record, frozenset()):
            if name in words.RATING_KEYS and (rating := parse_rating(value)):
                top[key] = max(top.get(key, 0.0), rating[0])
            elif name in words.INDEX_KEYS and not isinstance(value, bool | list):
                numbers.setdefault(key, set()).add(value)
    flags = {key for key, values in numbers.items() if values in ({0, 1}, {"0", "1"})}
    return Scales(top, frozenset() if has_options else frozenset(flags))


def mark_weight(marks: Marks, key: str, value: object) -> bool:
    """Mark a weight of zero or less; a list of flags belongs to the messages."""
    if isinstance(value, list):
        return False
    try:
        weight = float(value) if isinstance(value, str | int | float) else 1.0
    except ValueError:
        return False
    if weight <= 0:
        marks.add(RECORD_REJECTED, key, value)
    return weight in (0.0, 1.0) or weight < 0


def mark_extreme(marks: Marks, key: str, name: str, value: object) -> bool:
    """Mark a low rating in words, a negative vote, or a high score of harm; return whether it is one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    word = normalize_word(value) if isinstance(value, str) else ""
    is_level = name in words.RATING_KEYS | words.LEVEL_KEYS
    is_low = (is_level and word in mark_values.LOW_WORDS | mark_values.BAD_LABELS) or (
        name in words.GRADE_KEYS | words.LEVEL_KEYS and word in mark_values.LOW_GRADES
    )
    is_negative = name in words.VOTE_KEYS and is_number and isinstance(value, int | float) and value < 0
    is_harmful = name in words.HARM_KEYS and is_number and isinstance(value, int | float) and 0.5 < value <= 1
    if is_low or is_negative or is_harmful:
        marks.add(RECORD_DOUBTFUL, key, value)
    return is_low or is_negative or is_harmful


def mark_rating(marks: Marks, key: str, value: object, rating: tuple[float, float], top: float) -> bool:
    """Mark a rating that is low on its scale, if the scale is known."""
    number, own_top = rating
    highest = own_top or top
    if highest < _MIN_SCALE and number > 0:
        return False
    if number <= _LOW_RATING * highest or number <= 0:
        marks.add(RECORD_DOUBTFUL, key, value)
    return True


def parse_rating(value: object) -> tuple[float, float] | None:
    """Return a rating and the highest one that it names, else 0: "2/5" gives (2, 5)."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value), 0.0
    match = _RATING.fullmatch(value.strip()) if isinstance(value, str) else None
    return (float(match[1]), float(match[2] or 0)) if match else None


def mark_pair_scores(marks: Marks, record: RawRecord) -> None:
    """Mark a preference pair whose rejected answer has the better score."""
    for chosen_key, rejected_key in (
        ("score_chosen", "score_rejected"),
        ("chosen_score", "rejected_score"),
        ("chosen_rating", "rejected_rating"),
        ("chosen-rating", "rejected-rating"),
        ("rating_chosen", "rating_rejected"),
        ("reward_chosen", "reward_rejected"),
    ):
        chosen, rejected = record.get(chosen_key), record.get(rejected_key)
        if not isinstance(chosen, int | float) or not isinstance(rejected, int | float):
            continue
        marks.read_keys |= {chosen_key, rejected_key}
        if chosen < rejected:
            marks.add(PAIR_REVERSED, chosen_key, f"{chosen} < {rejected_key}: {rejected}")
