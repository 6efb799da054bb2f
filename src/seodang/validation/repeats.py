"""Find rows that repeat an earlier row or answer the same question differently, in about 40 bytes per row.

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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DUPLICATE = "duplicate"
CONTRADICTION = "contradiction"
SEVERAL_ANSWERS = "several-answers"

_USABLE, _LABEL = 1, 2


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
        is_label = bool(row["choices"]) or (bool(texts[1]) and len(answer) <= label_characters)
        self.flags.append((_USABLE if is_usable else 0) | (_LABEL if is_usable and is_label else 0))


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
    labels = (flags[distinct] & _LABEL).astype(bool)
    matches = {rule: np.full(len(flags), -1, dtype=np.int32) for rule in (DUPLICATE, CONTRADICTION, SEVERAL_ANSWERS)}
    earlier = usable[first][inverse]
    matches[DUPLICATE][usable] = np.where(earlier == usable, -1, earlier)
    _set_conflicts(matches[CONTRADICTION], question, distinct[labels])
    _set_conflicts(matches[SEVERAL_ANSWERS], question, distinct[~labels])
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


def _build_question(row: Row) -> str:
    turns = "\x1d".join(f"{turn['role']}\x1c{turn['content']}{turn.get('learned', '')}" for turn in row["turns"])
    parts = (normalize(row["instruction"]), normalize(row["input"]), str(row["system"] or ""), turns, row["role"])
    return "\x1f".join(parts)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
