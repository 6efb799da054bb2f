"""Find rows that repeat an earlier row or answer the same question differently, in about 50 bytes per row.

It keeps only hashes, so that millions of rows fit into memory. Two texts collide in a 64-bit
hash once in about 4,000 sets of 100 million rows (birthday bound, n^2 / 2^65).
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seodang.ingest.rows import TEXTS, Row, classify_value
from seodang.records import normalize
from seodang.validation.checks.preference import reduce_answer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DUPLICATE = "duplicate"
CONTRADICTION = "contradiction"
SEVERAL_ANSWERS = "several-answers"
PAIR_BOTH_ORDERS = "pair-both-orders"
LABEL_CONFLICT = "label-conflict"
_RULES = (DUPLICATE, CONTRADICTION, SEVERAL_ANSWERS, PAIR_BOTH_ORDERS, LABEL_CONFLICT)

_USABLE, _LABEL, _REFERENCE = 1, 2, 4  # with all texts; a label; an answer to learn, as opposed to a bad one
_PAIR, _MARKED, _SIDE = 8, 16, 32  # a preference pair; a marked answer; one of the two orders, or a good mark


@dataclass(frozen=True, slots=True)
class Repeats:
    """Repeats by rule: for each row, the index of the row that it repeats or contradicts; -1 for none."""

    matches: dict[str, NDArray[np.int32]]
    locate: Callable[[int], str]  # index of a row -> "file:row"

    def get_matches(self, number: int) -> dict[str, str]:
        """Return rule id -> location of the other row, for the row with this index."""
        return {rule: self.locate(int(others[number])) for rule, others in self.matches.items() if others[number] >= 0}


@dataclass(slots=True)
class _Locations:
    """File and row number of each row; one entry per row in each array."""

    file: array[int] = field(default_factory=lambda: array("I"))
    source_row: array[int] = field(default_factory=lambda: array("I"))
    files: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Add one row."""
        name = row["file"] or row["source"]
        if name not in self.files:
            self.files[name] = len(self.names)
            self.names.append(name)
        self.file.append(self.files[name])
        self.source_row.append(row["source_row"])

    def format_location(self, number: int) -> str:
        """Return the location of a row as "file:row"."""
        return f"{self.names[self.file[number]]}:{self.source_row[number]}"


@dataclass(slots=True)
class _Keys:
    """Hashes of question and content of each row; one entry per row in each array."""

    question: array[int] = field(default_factory=lambda: array("Q"))
    content: array[int] = field(default_factory=lambda: array("Q"))
    preference: array[int] = field(default_factory=lambda: array("Q"))  # of question and answers, in any order
    flags: array[int] = field(default_factory=lambda: array("B"))

    def add(self, row: Row, label_characters: int) -> None:
        """Add the hashes of one row; a row without the three texts cannot repeat another."""
        texts = [row[name] for name in TEXTS]
        is_usable = (
            all(classify_value(text) == "text" for text in texts) and bool(texts[0].strip()) and bool(texts[2].strip())
        )
        question, answer = (_build_question(row), normalize(texts[2])) if is_usable else ("", "")
        self.question.append(_hash(question))
        self.content.append(_hash(f"{question}\x1e{answer}\x1e{row['rejected']}\x1e{row['desirable']}"))
        answers = _list_compared_answers(row) if is_usable else []
        self.preference.append(_hash("\x1e".join([question, *sorted(answers)])) if answers else 0)
        is_label = bool(row["choices"]) or (bool(texts[1]) and len(answer) <= label_characters and len(answers) != 2)
        self.flags.append(
            (_USABLE if is_usable else 0)
            | (_LABEL if is_usable and is_label else 0)
            | (_REFERENCE if is_usable and row["desirable"] is not False else 0)
            | ((0, _MARKED, _PAIR)[len(answers)])
            | (_SIDE if answers != sorted(answers) or row["desirable"] is True else 0)
        )


def find_repeats(rows: Iterable[Row], label_characters: int) -> Repeats:
    """Return the repeats among the rows, reading them once.

    Only rows of the same role repeat each other: `prepare` removes training rows that equal an evaluation row, and
    the evaluation row must remain.

    Args:
        rows: Rows in order; of equal rows the first is the original.
        label_characters: An answer about an input of at most this length counts as a label. Two different labels for
            the same question contradict each other; two different long answers need not.

    """
    import numpy as np

    keys, locations = _Keys(), _Locations()
    for row in rows:
        keys.add(row, label_characters)
        locations.add(row)
    question, content, flags = (np.asarray(values) for values in (keys.question, keys.content, keys.flags))
    usable = np.flatnonzero(flags & _USABLE)
    _, first, inverse = np.unique(content[usable], return_index=True, return_inverse=True)
    distinct = np.sort(usable[first])
    labels, is_reference = ((flags[distinct] & flag).astype(bool) for flag in (_LABEL, _REFERENCE))
    matches = {rule: np.full(len(flags), -1, dtype=np.int32) for rule in _RULES}
    earlier = usable[first][inverse]
    matches[DUPLICATE][usable] = np.where(earlier == usable, -1, earlier)
    _set_conflicts(matches[CONTRADICTION], question, distinct[labels & is_reference])
    _set_conflicts(matches[SEVERAL_ANSWERS], question, distinct[~labels & is_reference])
    preference = np.asarray(keys.preference)
    for rule, flag in ((PAIR_BOTH_ORDERS, _PAIR), (LABEL_CONFLICT, _MARKED)):
        _set_opposites(matches[rule], preference, flags, np.flatnonzero(flags & flag))
    return Repeats(matches, locations.format_location)


def _set_conflicts(matches: NDArray[np.int32], question: NDArray[np.uint64], distinct: NDArray[np.int64]) -> None:
    """Set the match of each row to another row with the same question: the first one, and for the first the second.

    Args:
        matches: Index of the matching row by row; changed in place.
        question: Hash of the question by row.
        distinct: Indices of rows with different content.

    """
    import numpy as np

    _, inverse, counts = np.unique(question[distinct], return_inverse=True, return_counts=True)
    by_question = distinct[np.argsort(inverse, kind="stable")]
    starts = np.cumsum(counts) - counts
    firsts, seconds = by_question[starts], by_question[np.minimum(starts + 1, len(distinct) - 1)]
    first, second = firsts[inverse], seconds[inverse]
    several = counts[inverse] > 1
    matches[distinct[several]] = np.where(first == distinct, second, first)[several]


def _set_opposites(
    matches: NDArray[np.int32], keys: NDArray[np.uint64], flags: NDArray[np.uint8], rows: NDArray[np.int64]
) -> None:
    """Set the match of each row to the first row with the same key on the other side.

    Args:
        matches: Index of the matching row by row; changed in place.
        keys: Hash of the question and its answers by row.
        flags: Flags by row; _SIDE is the side.
        rows: Indices of the rows that are compared.

    """
    import numpy as np

    is_side = (flags[rows] & _SIDE).astype(bool)
    for side in (True, False):
        own, others = rows[is_side == side], rows[is_side != side]
        other_keys, first = np.unique(keys[others], return_index=True)
        positions = np.minimum(np.searchsorted(other_keys, keys[own]), max(len(other_keys) - 1, 0))
        found = other_keys[positions] == keys[own] if len(other_keys) else np.zeros(len(own), dtype=np.bool_)
        matches[own[found]] = others[first[positions[found]]]


def _list_compared_answers(row: Row) -> list[str]:
    """Return the two answers of a pair, or the marked answer, in the form in which equal answers are equal."""
    if isinstance(row["rejected"], str) and row["rejected"].strip():
        return [reduce_answer(row["output"]), reduce_answer(row["rejected"])]
    return [] if row["desirable"] is None else [reduce_answer(row["output"])]


def _build_question(row: Row) -> str:
    turns = "\x1d".join(f"{turn['role']}\x1c{turn['content']}{turn.get('learned', '')}" for turn in row["turns"])
    parts = (normalize(row["instruction"]), normalize(row["input"]), str(row["system"] or ""), turns, row["role"])
    return "\x1f".join(parts)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
