"""Which items are asked, and with which exemplars: by hash, so that every model gets the same and new rows move few."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from seodang.evaluation.tasks.samples import EvalSample, Task
from seodang.records import normalise


def select_samples(samples: Sequence[EvalSample], *, seed: int, limit: int | None) -> list[EvalSample]:
    """Return `limit` items at the most, in the order of a hash of seed and id."""
    return sorted(samples, key=lambda item: compute_order_key(seed, item.id))[:limit]


def compute_order_key(seed: int, id: str) -> str:
    """Return what items are sorted by."""
    return hashlib.sha256(f"{seed}\x1f{id}".encode()).hexdigest()


def remove_leaks(few_shot_pool: Sequence[EvalSample], samples: Sequence[EvalSample]) -> tuple[list[EvalSample], int]:
    """Return the shelf without repetitions, and without what an item asks in any wording; and how many of the latter there were.

    Texts are the same when they differ in case and blanks only: an exemplar that shows an item with its answer gives it away.
    """
    prompts = {_normalize(prompt) for item in samples for prompt in item.prompts.values()} - {""}
    kept: dict[tuple[tuple[str, ...], tuple[str, ...], str], EvalSample] = {}
    leak_count = 0
    for sample in few_shot_pool:
        if any(_normalize(prompt) in prompts for prompt in sample.prompts.values()):
            leak_count += 1
        else:
            kept.setdefault((tuple(sample.prompts.values()), sample.choices, sample.reference), sample)
    return list(kept.values()), leak_count


def _normalize(text: str) -> str:
    return "".join(normalise(text).casefold().split())


def select_few_shot_examples(task: Task, language: str, *, seed: int, shots: int) -> list[EvalSample]:
    """Return `shots` exemplars in a language, the same ones for all items: what prompts begin with is computed once.

    lm-evaluation-harness draws others for each item; over many items that averages out one lucky draw, at several times the cost.
    With `stratified` each option is taken in turn, where options are the same for all items, else each place among the options.
    """
    ordered = select_samples([item for item in task.few_shot_pool if item.language == language], seed=seed, limit=None)
    if not task.spec.stratified or task.spec.kind != "choice":
        return ordered[:shots]
    groups: dict[int, list[EvalSample]] = {}
    for sample in ordered:
        groups.setdefault(sample.choices.index(sample.reference), []).append(sample)
    rounds = max(map(len, groups.values()), default=0)
    examples = [
        groups[place][turn]
        for turn in range(min(rounds, shots))
        for place in sorted(groups)
        if turn < len(groups[place])
    ]
    return examples[:shots]
