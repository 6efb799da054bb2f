"""Scores of single items from the pipeline, and pairs of two models' scores on the same items."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from seodang.errors import EvaluationError
from seodang.evaluation.aggregate import TASK_FILE_SPLIT
from seodang.gate.statistics import Floats
from seodang.i18n import _
from seodang.metric_registry import ITEM_METRICS


class ScoreKey(NamedTuple):
    """Identity of a score."""

    task: str
    item: str
    metric: str


@dataclass(frozen=True, slots=True)
class Score:
    """One model's score on one item."""

    language: str
    score: float  # finite
    fingerprint: str = ""
    """Of prompt, shots and seed, or of the protocol of a task file; empty where the score has none."""
    is_task_file: bool = False
    """The item belongs to a task file, which may repeat records of the splits; rules without tasks skip it."""
    group: str = ""
    """Items of one group are not independent, such as the questions on one passage; "": independent."""
    content: str = ""
    """Checksum of what identifies the text of the item, whatever its name; "" where the score file has nothing."""


Scores = Mapping[ScoreKey, Score]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Scores of two models on the same items, in the same order."""

    tasks: tuple[str, ...]
    languages: tuple[str, ...]
    items: tuple[str, ...]
    candidate: Floats
    """Scores of shape (items,)."""
    reference: Floats
    task_files: frozenset[str] = frozenset()
    """Tasks that count only where a rule names them."""
    groups: tuple[str, ...] = ()
    """Group of each item, "" for an independent one; empty if all items are independent."""
    contents: tuple[str, ...] = ()
    """Content of each item, as in Score; empty if none is known."""

    def __len__(self) -> int:
        return len(self.items)

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Return task and name of each item."""
        return list(zip(self.tasks, self.items, strict=True))

    @property
    def group_names(self) -> tuple[str, ...]:
        """Return a name for the group of each item; independent items are groups of their own."""
        keys = tuple(f"{task}/{item}" for task, item in zip(self.tasks, self.items, strict=True))
        if not self.groups:
            return keys
        return tuple(f"group {group}" if group else key for group, key in zip(self.groups, keys, strict=True))

    def select(self, *, tasks: Iterable[str] = ()) -> Pairs:
        """Return the pairs of tasks; without names, those of all tasks except task files."""
        names = frozenset(tasks)
        indices = [
            index for index, task in enumerate(self.tasks) if (task in names if names else task not in self.task_files)
        ]
        return self._take(indices, frozenset() if names else self.task_files)

    def select_language(self, language: str) -> Pairs:
        """Return the pairs of a language."""
        indices = [index for index, item_language in enumerate(self.languages) if item_language == language]
        return self._take(indices, self.task_files)

    def drop(self, keys: Collection[tuple[str, str]]) -> Pairs:
        """Return the pairs without the items of these tasks and names."""
        if not keys:
            return self
        return self._take([index for index, key in enumerate(self.keys) if key not in keys], self.task_files)

    def take(self, indices: Sequence[int]) -> Pairs:
        """Return the pairs at these positions; rules without tasks count all of them."""
        return self._take(list(indices), frozenset())

    def replace_reference(self, reference: Floats) -> Pairs:
        """Return the same items with other scores of the reference."""
        return replace(self, reference=reference)

    def _take(self, indices: list[int], task_files: frozenset[str]) -> Pairs:
        return Pairs(
            tuple(self.tasks[index] for index in indices),
            tuple(self.languages[index] for index in indices),
            tuple(self.items[index] for index in indices),
            self.candidate[indices],
            self.reference[indices],
            task_files,
            tuple(self.groups[index] for index in indices) if self.groups else (),
            tuple(self.contents[index] for index in indices) if self.contents else (),
        )


def select_scores(rows: Iterable[Mapping[str, Any]], variant: str) -> dict[ScoreKey, Score]:
    """Return one variant's scores on the test split and on task files, from the rows of scores.jsonl, one per item.

    Raises:
        EvaluationError: If a score is not a finite number.
    """
    return {
        ScoreKey(row["task"], row["item"], metric): Score(
            row["language"],
            _require_finite(value, row, metric),
            fingerprint=row.get("fingerprint", ""),
            is_task_file=row["split"] == TASK_FILE_SPLIT,
            group=row["group"],
            content=row.get("content", ""),
        )
        for row in rows
        if row["variant"] == variant and row["split"] != "unseen"
        for metric, value in ({name: row[name] for name in ITEM_METRICS} | row["extra_metrics"]).items()
        if value is not None
    }


def _require_finite(value: float, row: Mapping[str, Any], metric: str) -> float:
    """Return the score; NaN and infinity would win or lose comparisons silently."""
    number = parse_finite(value)
    if number is None:
        raise EvaluationError(
            _(
                "scores of {variant}, item {task}/{item}: {metric} is {value}, which is not a finite number; "
                "run: dvc repro --force evaluate",
                variant=row["variant"],
                task=row["task"],
                item=row["item"],
                metric=metric,
                value=value,
            )
        )
    return number


def parse_finite(value: object) -> float | None:
    """Return a finite number, true and false as 1 and 0; None for every other value."""
    if not isinstance(value, bool | int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond 1e308
        return None
    return number if math.isfinite(number) else None
