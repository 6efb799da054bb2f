"""Scores of single items, from the pipeline or from elsewhere, and two models' scores on the same items side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from seodang.errors import EvaluationError
from seodang.gate.statistics import Floats

METRICS = ("accuracy", "exact_match", "chrf", "loss", "eos_rate")
"""What `evaluate` measures of an item; stopped is 1 where a free answer ended by itself."""
_MESSAGE_LIMIT = 5  # items named in a message


class ScoreKey(NamedTuple):
    """What a score is of."""

    task: str
    item: str
    metric: str


@dataclass(frozen=True, slots=True)
class Score:
    """One model's score on one item."""

    language: str
    score: float  # finite
    fingerprint: str = ""  # fingerprint of prompt, shots and seed; "" where nobody stored one
    is_task_file: bool = (
        False  # of a task file, which may ask what records of the splits ask: rules that name no task pass it over
    )


Scores = Mapping[ScoreKey, Score]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Scores of two models on the same items, in the same order."""

    tasks: tuple[str, ...]
    languages: tuple[str, ...]
    items: tuple[str, ...]
    candidate: Floats  # (items,)
    reference: Floats
    task_files: frozenset[str] = frozenset()  # tasks that count only where they are named

    def __len__(self) -> int:
        return len(self.items)

    def select(self, *, tasks: Iterable[str] = (), language: str | None = None) -> Pairs:
        """Return those of the tasks (if none is named, all but those that stand apart) and of the language (any, if None)."""
        names = frozenset(tasks)
        indices = [
            place
            for place, (task, spoken) in enumerate(zip(self.tasks, self.languages, strict=True))
            if (task in names if names else task not in self.task_files) and (language is None or spoken == language)
        ]
        tasks, languages, items = (
            tuple(column[place] for place in indices) for column in (self.tasks, self.languages, self.items)
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
        candidate: The scores of the model that may be promoted.
        reference: Those of the model that it is compared with.
        against: What the reference is called in a message.

    Raises:
        EvaluationError: If the two were not asked the same items, in the same way: naming what differs.
    """
    errors = [
        *_find_item_differences(candidate, reference, against),
        *_find_setting_differences(candidate, reference, against),
    ]
    if errors:
        raise EvaluationError(
            "the scores cannot be compared / 점수를 비교할 수 없습니다:\n" + "\n".join(f"  {fault}" for fault in errors)
        )
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
    """Return one arm's scores on the test split and on task files, from the rows that `evaluate` writes, one an item."""
    return {
        ScoreKey(row["task"], row["item"], metric): Score(
            row["language"], float(value), is_task_file=row["split"] == "task"
        )
        for row in rows
        if row["variant"] == variant and row["split"] != "unseen"
        for metric, value in ({name: row[name] for name in METRICS} | row["extra_metrics"]).items()
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
                f"{name} lacks {len(missing)} scores that {other} has ({_format_keys(missing)}); score both on the same items and metrics / "
                f"{name}에 {other}의 점수 {len(missing)}개가 없습니다: 같은 문항과 지표로 채점하세요"
            )
    return errors


def _find_setting_differences(candidate: Scores, reference: Scores, against: str) -> list[str]:
    shared = candidate.keys() & reference.keys()
    errors = []
    for field, meaning in (
        ("language", "the same item in another language / 같은 문항의 언어가 다릅니다"),
        ("fingerprint", "another prompt, shots or seed / 프롬프트, 예시 수, 시드가 다릅니다"),
    ):
        differing = {key for key in shared if getattr(candidate[key], field) != getattr(reference[key], field)}
        if differing:
            errors.append(
                f"candidate and {against} differ in {field!r} on {len(differing)} scores ({_format_keys(differing)}): {meaning}"
            )
    return errors


def _format_keys(keys: Iterable[ScoreKey]) -> str:
    ordered = sorted(keys)
    text = ", ".join("/".join(key) for key in ordered[:_MESSAGE_LIMIT])
    return text if len(ordered) <= _MESSAGE_LIMIT else f"{text}, ..."


def parse_finite(value: object) -> float | None:
    """Return a number, or true and false as 1 and 0; None for all else, infinities and not-a-number included."""
    if not isinstance(value, bool | int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond 1e308
        return None
    return number if math.isfinite(number) else None
