"""Selection of items and few-shot examples by hash: every model gets the same ones, and added rows move few of them.

Records of the splits and items of task files use the same functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol, TypeVar

from seodang.evaluation.tasks.samples import EvalSample, Task
from seodang.records import normalize


class HasId(Protocol):
    """A record or an item."""

    @property
    def id(self) -> str:
        """Return the id, unique within its task."""


Identified = TypeVar("Identified", bound=HasId)
T = TypeVar("T")


def select_samples(samples: Sequence[Identified], *, seed: int, limit: int | None) -> list[Identified]:
    """Return up to `limit` items, ordered by a hash of seed and id."""
    return sorted(samples, key=lambda sample: compute_order_key(seed, sample.id))[:limit]


def compute_order_key(seed: int, id: str) -> str:
    """Return the sort key of an item."""
    return hashlib.sha256(f"{seed}\x1f{id}".encode()).hexdigest()


def interleave(groups: Sequence[Sequence[T]], limit: int) -> list[T]:
    """Return up to `limit` elements: the first one of each group in turn, then the second ones, and so on."""
    rounds = max(map(len, groups), default=0)
    return [group[turn] for turn in range(min(rounds, limit)) for group in groups if turn < len(group)][:limit]


def remove_leaks(few_shot_pool: Sequence[EvalSample], samples: Sequence[EvalSample]) -> tuple[list[EvalSample], int]:
    """Return the pool without repeated examples and without the prompts of items, and the count of the latter.

    Texts count as equal when they differ in case and blanks only. A few-shot example with an item's prompt gives its
    answer away.
    """
    prompts = {_normalize(prompt) for sample in samples for prompt in sample.prompts.values()} - {""}
    kept: dict[tuple[tuple[str, ...], tuple[str, ...], str], EvalSample] = {}
    leak_count = 0
    for sample in few_shot_pool:
        if any(_normalize(prompt) in prompts for prompt in sample.prompts.values()):
            leak_count += 1
        else:
            kept.setdefault((tuple(sample.prompts.values()), sample.choices, sample.reference), sample)
    return list(kept.values()), leak_count


def _normalize(text: str) -> str:
    return "".join(normalize(text).casefold().split())


def select_few_shot_examples(task: Task, language: str, *, seed: int, shots: int) -> list[EvalSample]:
    """Return `shots` few-shot examples in a language, the same ones for all items.

    All prompts share them as a prefix, which the model computes once. Other examples for each item, as
    lm-evaluation-harness draws them, average out one lucky draw at several times the cost. With `stratified`, the
    options alternate; where options differ between items, their positions alternate.
    """
    pool = [sample for sample in task.few_shot_pool if sample.language == language]
    ordered = select_samples(pool, seed=seed, limit=None)
    if not task.spec.stratified or not all(sample.reference in sample.choices for sample in ordered):
        return ordered[:shots]
    groups: dict[int, list[EvalSample]] = {}
    for sample in ordered:
        groups.setdefault(sample.choices.index(sample.reference), []).append(sample)
    return interleave([groups[index] for index in sorted(groups)], shots)
