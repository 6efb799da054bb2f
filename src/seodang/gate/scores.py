"""Scores of single items, from the pipeline or from elsewhere, and two models' scores on the same items side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from seodang.errors import EvaluationError
from seodang.gate.statistics import Floats

METRICS = ("accuracy", "exact", "chrf", "loss", "stopped")
"""What `evaluate` measures of an item; stopped is 1 where a free answer ended by itself."""
_SHOWN = 5  # items named in a message


class Key(NamedTuple):
    """What a score is of."""

    task: str
    item: str
    metric: str


@dataclass(frozen=True, slots=True)
class Score:
    """One model's score on one item."""

    language: str
    score: float  # finite
    asked: str = ""  # fingerprint of prompt, shots and seed; "" where nobody stored one
    apart: bool = (
        False  # of a task file, which may ask what records of the splits ask: rules that name no task pass it over
    )


Scores = Mapping[Key, Score]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Scores of two models on the same items, in the same order."""

    tasks: tuple[str, ...]
    languages: tuple[str, ...]
    items: tuple[str, ...]
    candidate: Floats  # (items,)
    reference: Floats
    apart: frozenset[str] = frozenset()  # tasks that count only where they are named

    def __len__(self) -> int:
        return len(self.items)

    def chosen(self, *, tasks: Iterable[str] = (), language: str | None = None) -> Pairs:
        """Return those of the tasks (if none is named, all but those that stand apart) and of the language (any, if None)."""
        wanted = frozenset(tasks)
        kept = [
            place
            for place, (task, spoken) in enumerate(zip(self.tasks, self.languages, strict=True))
            if (task in wanted if wanted else task not in self.apart) and (language is None or spoken == language)
        ]
        tasks, languages, items = (
            tuple(column[place] for place in kept) for column in (self.tasks, self.languages, self.items)
        )
        return Pairs(
            tasks, languages, items, self.candidate[kept], self.reference[kept], frozenset() if wanted else self.apart
        )


def pair(candidate: Scores, reference: Scores, against: str) -> dict[str, Pairs]:
    """Return the pairs of each metric, items in a fixed order.

    Args:
        candidate: The scores of the model that may be promoted.
        reference: Those of the model that it is compared with.
        against: What the reference is called in a message.

    Raises:
        EvaluationError: If the two were not asked the same items, in the same way: naming what differs.
    """
    faults = [*_items_that_differ(candidate, reference, against), *_ways_that_differ(candidate, reference, against)]
    if faults:
        raise EvaluationError(
            "the scores cannot be compared / 점수를 비교할 수 없습니다:\n" + "\n".join(f"  {fault}" for fault in faults)
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
            frozenset(key.task for key in keys if candidate[key].apart),
        )
    return pairs


def scores_of(rows: Iterable[Mapping[str, Any]], arm: str) -> dict[Key, Score]:
    """Return one arm's scores on the test split and on task files, from the rows that `evaluate` writes, one an item."""
    return {
        Key(row["task"], row["item"], metric): Score(row["language"], float(value), apart=row["split"] == "task")
        for row in rows
        if row["arm"] == arm and row["split"] != "unseen"
        for metric, value in ({name: row[name] for name in METRICS} | row["others"]).items()
        if value is not None
    }


def _items_that_differ(candidate: Scores, reference: Scores, against: str) -> list[str]:
    faults = []
    for name, others, missing in (
        ("candidate", against, reference.keys() - candidate.keys()),
        (against, "candidate", candidate.keys() - reference.keys()),
    ):
        if missing:
            faults.append(
                f"{name} lacks {len(missing)} scores that {others} has ({_named(missing)}); score both on the same items and metrics / "
                f"{name}에 {others}의 점수 {len(missing)}개가 없습니다: 같은 문항과 지표로 채점하세요"
            )
    return faults


def _ways_that_differ(candidate: Scores, reference: Scores, against: str) -> list[str]:
    shared = candidate.keys() & reference.keys()
    faults = []
    for field, meaning in (
        ("language", "the same item in another language / 같은 문항의 언어가 다릅니다"),
        ("asked", "another prompt, shots or seed / 프롬프트, 예시 수, 시드가 다릅니다"),
    ):
        odd = {key for key in shared if getattr(candidate[key], field) != getattr(reference[key], field)}
        if odd:
            faults.append(
                f"candidate and {against} differ in {field!r} on {len(odd)} scores ({_named(odd)}): {meaning}"
            )
    return faults


def _named(keys: Iterable[Key]) -> str:
    ordered = sorted(keys)
    shown = ", ".join("/".join(key) for key in ordered[:_SHOWN])
    return shown if len(ordered) <= _SHOWN else f"{shown}, ..."


def finite(value: object) -> float | None:
    """Return a number, or true and false as 1 and 0; None for all else, infinities and not-a-number included."""
    if not isinstance(value, bool | int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number beyond 1e308
        return None
    return number if math.isfinite(number) else None
