"""Which rows repeat an earlier one, and which answer the same question differently; in 30 bytes a row.

Only hashes are kept, so that millions of rows fit; two texts share a 64-bit hash by
accident once in about 4,000 sets of 100 million rows (birthday bound, n^2 / 2^65).
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seodang.data.rows import TEXTS, Row, kind_of
from seodang.records import normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray

DUPLICATE = "duplicate"
CONTRADICTION = "contradiction"
SEVERAL_ANSWERS = "several-answers"

_USABLE, _LABEL = 1, 2


@dataclass(slots=True)
class Repeats:
    """What `find_repeats` found: for each row that repeats or contradicts, the place of the other one."""

    places: dict[int, dict[str, str]] = field(default_factory=dict)

    def of(self, number: int) -> dict[str, str]:
        """Return rule id -> place of the other row, for row `number` from 0."""
        return self.places.get(number, {})


@dataclass(slots=True)
class _Keys:
    """One entry a row in each array."""

    question: array[int] = field(default_factory=lambda: array("Q"))
    whole: array[int] = field(default_factory=lambda: array("Q"))
    flags: array[int] = field(default_factory=lambda: array("B"))
    file: array[int] = field(default_factory=lambda: array("L"))
    source_row: array[int] = field(default_factory=lambda: array("L"))
    files: dict[str, int] = field(default_factory=dict)

    def add(self, row: Row, label_characters: int) -> None:
        """Add one row's hashes; a row without the three texts can't repeat anything."""
        texts = [row[name] for name in TEXTS]
        usable = all(kind_of(text) == "text" for text in texts) and bool(texts[0].strip()) and bool(texts[2].strip())
        question, answer = (_question(row), normalise(texts[2])) if usable else ("", "")
        self.question.append(_hash(question))
        self.whole.append(_hash(f"{question}\x1e{answer}\x1e{row['rejected']}\x1e{row['desirable']}"))
        label = bool(row["choices"]) or (bool(texts[1]) and len(answer) <= label_characters)
        self.flags.append((_USABLE if usable else 0) | (_LABEL if usable and label else 0))
        self.file.append(self.files.setdefault(row["file"] or row["source"], len(self.files)))
        self.source_row.append(row["source_row"])

    def place(self, number: int) -> str:
        """Return where row `number` stands, as people read it."""
        return f"{list(self.files)[self.file[number]]}:{self.source_row[number]}"


def find_repeats(rows: Iterable[Row], label_characters: int) -> Repeats:
    """Return the repeats among the rows, which are read once.

    Rows that are scored only (role test) repeat only one another: a training row
    that equals one of them is a leak, and the evaluation item must not vanish for it.

    Args:
        rows: In their order; the first of equal rows is the one that counts.
        label_characters: An answer about an input that is at most this long counts as a label;
            two different labels contradict each other, two different long answers need not.

    """
    import numpy as np

    keys = _Keys()
    for row in rows:
        keys.add(row, label_characters)
    question, whole, flags = (np.asarray(values) for values in (keys.question, keys.whole, keys.flags))
    usable = np.flatnonzero(flags & _USABLE)
    _, first, inverse = np.unique(whole[usable], return_index=True, return_inverse=True)
    first_of = usable[first][inverse]
    repeats = Repeats()
    for number, earlier in zip(usable.tolist(), first_of.tolist(), strict=True):
        if number != earlier:
            repeats.places.setdefault(number, {})[DUPLICATE] = keys.place(earlier)
    distinct = np.sort(usable[first])
    labels = (flags[distinct] & _LABEL).astype(bool)
    _note_conflicts(repeats, keys, question, distinct[labels], CONTRADICTION)
    _note_conflicts(repeats, keys, question, distinct[~labels], SEVERAL_ANSWERS)
    return repeats


def _note_conflicts(repeats: Repeats, keys: _Keys, question: NDArray[Any], distinct: NDArray[Any], rule: str) -> None:
    """Note each of `distinct`, rows of different content, that asks what another one of them asks."""
    import numpy as np

    _, inverse, counts = np.unique(question[distinct], return_inverse=True, return_counts=True)
    several = counts[inverse] > 1
    groups: dict[int, list[int]] = {}
    for group, number in zip(inverse[several].tolist(), distinct[several].tolist(), strict=True):
        groups.setdefault(group, []).append(number)
    for numbers in groups.values():
        for number in numbers:
            other = numbers[0] if number != numbers[0] else numbers[1]
            repeats.places.setdefault(number, {})[rule] = keys.place(other)


def _question(row: Row) -> str:
    turns = "\x1d".join(f"{turn['role']}\x1c{turn['content']}" for turn in row["turns"])
    parts = (normalise(row["instruction"]), normalise(row["input"]), str(row["system"] or ""), turns, "test" if row["role"] == "test" else "")
    return "\x1f".join(parts)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
