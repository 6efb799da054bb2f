"""Scores of single items, from the pipeline or from score files, and pairs of two models' scores on the same items."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from seodang.errors import EvaluationError
from seodang.evaluation.aggregate import TASK_FILE_SPLIT
from seodang.gate.statistics import Floats
from seodang.i18n import N_, _
from seodang.metric_registry import ITEM_METRICS

_MESSAGE_LIMIT = 5  # items that a message names


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
    """Of prompt, shots and seed; empty where the score file has none."""
    is_task_file: bool = False
    """The item belongs to a task file, which may repeat records of the splits; rules without tasks skip it."""


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

    def __len__(self) -> int:
        return len(self.items)

    def select(self, *, tasks: Iterable[str] = (), language: str | None = None) -> Pairs:
        """Return the pairs of tasks and a language.

        Args:
            tasks: Without names, all tasks except those of task files.
            language: None for all languages.
        """
        names = frozenset(tasks)
        indices = [
            index
            for index, (task, item_language) in enumerate(zip(self.tasks, self.languages, strict=True))
            if (task in names if names else task not in self.task_files) and language in (None, item_language)
        ]
        tasks, languages, items = (
            tuple(column[index] for index in indices) for column in (self.tasks, self.languages, self.items)
        )
        return Pairs(
            tasks,
            languages,
            items,
            self.candidate[indices],
            self.reference[indices],
            frozenset() if names else self.task_files,
        )


def pair_scores(candidate: Scores, reference: Scores, against: str) -> dict[str, Pairs]:
    """Return the pairs of each metric, items in a fixed order.

    Args:
        candidate: Scores of the model that may be promoted.
        reference: Scores of the model that it is compared with.
        against: Name of the reference in messages.

    Raises:
        EvaluationError: If items, metrics, languages or fingerprints differ.
    """
    errors = [
        *_find_item_differences(candidate, reference, against),
        *_find_setting_differences(candidate, reference, against),
    ]
    if errors:
        raise EvaluationError("\n".join([_("the scores cannot be compared:"), *(f"  {error}" for error in errors)]))
    pairs = {}
    for metric in dict.fromkeys(key.metric for key in candidate):
        keys = sorted(key for key in candidate if key.metric == metric)
        pairs[metric] = Pairs(
            tuple(key.task for key in keys),
            tuple(candidate[key].language for key in keys),
            tuple(key.item for key in keys),
            np.array([candidate[key].score for key in keys]),
            np.array([reference[key].score for key in keys]),
            frozenset(key.task for key in keys if candidate[key].is_task_file),
        )
    return pairs


def select_scores(rows: Iterable[Mapping[str, Any]], variant: str) -> dict[ScoreKey, Score]:
    """Return one variant's scores on the test split and on task files, from the rows of scores.jsonl, one per item."""
    return {
        ScoreKey(row["task"], row["item"], metric): Score(
            row["language"], float(value), is_task_file=row["split"] == TASK_FILE_SPLIT
        )
        for row in rows
        if row["variant"] == variant and row["split"] != "unseen"
        for metric, value in ({name: row[name] for name in ITEM_METRICS} | row["extra_metrics"]).items()
        if value is not None
    }


def _find_item_differences(candidate: Scores, reference: Scores, against: str) -> list[str]:
    errors = []
    for name, other, missing in (
        ("candidate", against, reference.keys() - candidate.keys()),
        (against, "candidate", candidate.keys() - reference.keys()),
    ):
        if missing:
            errors.append(
                _(
                    "{name} lacks {count} scores that {other} has ({scores}); score both on the same items and metrics",
                    name=name,
                    count=len(missing),
                    other=other,
                    scores=_format_keys(missing),
                )
            )
    return errors


def _find_setting_differences(candidate: Scores, reference: Scores, against: str) -> list[str]:
    shared = candidate.keys() & reference.keys()
    errors = []
    for field, meaning in (
        ("language", N_("the same item has another language")),
        ("fingerprint", N_("another prompt, shots or seed")),
    ):
        differing = {key for key in shared if getattr(candidate[key], field) != getattr(reference[key], field)}
        if differing:
            errors.append(
                _(
                    "candidate and {against} differ in the field {field} of {count} scores ({scores}): {meaning}",
                    against=against,
                    field=field,
                    count=len(differing),
                    scores=_format_keys(differing),
                    meaning=_(meaning),
                )
            )
    return errors


def _format_keys(keys: Iterable[ScoreKey]) -> str:
    ordered = sorted(keys)
    text = ", ".join("/".join(key) for key in ordered[:_MESSAGE_LIMIT])
    return text if len(ordered) <= _MESSAGE_LIMIT else f"{text}, ..."


def parse_finite(value: object) -> float | None:
    """Return a finite number, true and false as 1 and 0; None for every other value."""
    if not isinstance(value, bool | int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond 1e308
        return None
    return number if math.isfinite(number) else None
