"""Which items are asked, and with which exemplars: by hash, so that every model gets the same and new rows move few."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from seodang.evaluation.tasks.items import Item, Task
from seodang.records import normalise


def choose_items(items: Sequence[Item], *, seed: int, limit: int | None) -> list[Item]:
    """Return `limit` items at the most, in the order of a hash of seed and id."""
    return sorted(items, key=lambda item: order_of(seed, item.id))[:limit]


def order_of(seed: int, id: str) -> str:
    """Return what items are sorted by."""
    return hashlib.sha256(f"{seed}\x1f{id}".encode()).hexdigest()


def without_leaks(shelf: Sequence[Item], items: Sequence[Item]) -> tuple[list[Item], int]:
    """Return the shelf without repetitions, and without what an item asks in any wording; and how many of the latter there were.

    Texts are the same when they differ in case and blanks only: an exemplar that shows an item with its answer gives it away.
    """
    asked = {_plain(prompt) for item in items for prompt in item.prompts.values()} - {""}
    kept: dict[tuple[tuple[str, ...], tuple[str, ...], str], Item] = {}
    leaked = 0
    for item in shelf:
        if any(_plain(prompt) in asked for prompt in item.prompts.values()):
            leaked += 1
        else:
            kept.setdefault((tuple(item.prompts.values()), item.choices, item.reference), item)
    return list(kept.values()), leaked


def _plain(text: str) -> str:
    return "".join(normalise(text).casefold().split())


def exemplars_for(task: Task, language: str, *, seed: int, shots: int) -> list[Item]:
    """Return `shots` exemplars in a language, the same ones for all items: what prompts begin with is computed once.

    lm-evaluation-harness draws others for each item; over many items that averages out one lucky draw, at several times the cost.
    With `stratified` each option is taken in turn, where options are the same for all items, else each place among the options.
    """
    ordered = choose_items([item for item in task.shelf if item.language == language], seed=seed, limit=None)
    if not task.spec.stratified or task.spec.kind != "choice":
        return ordered[:shots]
    heaps: dict[int, list[Item]] = {}
    for item in ordered:
        heaps.setdefault(item.choices.index(item.reference), []).append(item)
    rounds = max(map(len, heaps.values()), default=0)
    spread = [
        heaps[place][turn] for turn in range(min(rounds, shots)) for place in sorted(heaps) if turn < len(heaps[place])
    ]
    return spread[:shots]
