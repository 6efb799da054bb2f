"""One pass over the split files: lengths, labels, and a sample of instructions. Memory does not grow with the rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from seodang.ingest.rows import TEXTS
from seodang.reports.data_card.sampling import LowestHashes

_MAX_LABELS: Final = 40  # a task with more different answers has choices of its own for each item


@dataclass(slots=True)
class Labels:
    """How often each answer of a task with choices is the right one."""

    counts: Counter[str] = field(default_factory=Counter)
    positions: Counter[int] = field(
        default_factory=Counter
    )  # place of the answer among the choices, from 1; 0 for none of them

    @property
    def per_item(self) -> bool:
        """Return whether every item has choices of its own, so that only their places can be counted."""
        return len(self.counts) > _MAX_LABELS

    def add(self, choices: list[str], answer: str) -> None:
        """Count one record."""
        self.positions[choices.index(answer) + 1 if answer in choices else 0] += 1
        if not self.per_item:
            self.counts[answer] += 1


@dataclass(slots=True)
class Statistics:
    """What one pass over `train` found."""

    instructions: dict[str, LowestHashes[str]]  # by language; distinct ones
    lengths: dict[tuple[str, str], Counter[int]] = field(
        default_factory=lambda: defaultdict(Counter)
    )  # (language, field) -> characters -> records
    labels: dict[tuple[str, str], Labels] = field(default_factory=lambda: defaultdict(Labels))  # (task, language)
    records: int = 0
    turns: int = 0  # records with a conversation before the instruction
    preferences: int = 0  # records with a worse answer beside the right one


def compute_statistics(rows: Iterable[dict[str, Any]], *, instructions: int, seed: int) -> Statistics:
    """Return lengths, label counts and sampled instructions of records.

    Args:
        rows: Records as their file has them.
        instructions: How many different instructions are kept, of each language, at the most.
        seed: Of the sample.

    """
    result = Statistics(instructions=defaultdict(lambda: LowestHashes(instructions, seed)))
    for row in rows:
        language = row["language"]
        for name in TEXTS:
            result.lengths[language, name][len(row[name])] += 1
        result.instructions[language].add(row["instruction"], row["instruction"])
        if row["choices"]:
            result.labels[row["task"], language].add(row["choices"], row["output"])
        result.records += 1
        result.turns += bool(row["turns"])
        result.preferences += bool(row["rejected"])
    return result


def compute_quantile(lengths: Counter[int], probability: float) -> int:
    """Return the smallest length that at least `share` of the records do not exceed; 0 for no records.

    Args:
        lengths: Characters -> records.
        share: 0 < share <= 1; 0.5 for the median.

    """
    target, cumulative = probability * lengths.total(), 0
    for length in sorted(lengths):
        cumulative += lengths[length]
        if cumulative >= target:
            return length
    return 0
