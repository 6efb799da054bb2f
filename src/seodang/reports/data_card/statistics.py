"""Lengths, labels and a sample of the instructions of train, from one read of the file in constant memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from seodang.ingest.rows import TEXTS
from seodang.reports.data_card.sampling import LowestHashes

_MAX_LABELS: Final = 40  # a task with more distinct answers has separate choices for each item


@dataclass(slots=True)
class Labels:
    """Counts of the reference answers of a task with choices."""

    counts: Counter[str] = field(default_factory=Counter)  # answer -> records
    positions: Counter[int] = field(default_factory=Counter)
    """Position of the answer among the choices -> records; positions start at 1, and 0 means none of the choices."""

    @property
    def per_item(self) -> bool:
        """Whether each item has its own choices, so that only positions can be counted."""
        return len(self.counts) > _MAX_LABELS

    def add(self, choices: list[str], answer: str) -> None:
        """Count a record."""
        self.positions[choices.index(answer) + 1 if answer in choices else 0] += 1
        if not self.per_item:
            self.counts[answer] += 1


@dataclass(slots=True)
class Statistics:
    """Statistics of the records of `train`."""

    instructions: dict[str, LowestHashes[str]]  # language -> sample of the distinct instructions
    lengths: dict[tuple[str, str], Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """(language, field) -> characters -> records."""
    labels: dict[tuple[str, str], Labels] = field(default_factory=lambda: defaultdict(Labels))
    """(task, language) -> answers of a task with choices."""
    records: int = 0
    turns: int = 0  # records with earlier turns of a conversation
    preferences: int = 0  # records with a rejected answer


def compute_statistics(rows: Iterable[dict[str, Any]], *, instructions: int, seed: int) -> Statistics:
    """Return the lengths, label counts and sampled instructions of records.

    Args:
        rows: Records as JSON objects.
        instructions: Maximum number of distinct instructions in the sample of each language.
        seed: Seed of the sample.

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
    """Return the smallest length that at least the share `probability` of the records do not exceed; 0 for no records.

    Args:
        lengths: Characters -> records.
        probability: 0 < probability <= 1; 0.5 for the median.

    """
    target, cumulative = probability * lengths.total(), 0
    for length in sorted(lengths):
        cumulative += lengths[length]
        if cumulative >= target:
            return length
    return 0
