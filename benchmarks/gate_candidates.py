"""Strategies that derive a candidate from the verdicts on earlier ones, for the simulation of the ledger.

No candidate is truly better than the reference: on fresh items its expected difference is zero. A strategy sees the
difference on the test items after each judgement.

independent: each candidate is new.
climb: a candidate is the best one so far with a small random change, in the manner of hill climbing.
leap: the same with large changes.
average: every second candidate is the average of all that looked better than the reference. This is the boosting attack
    of Blum and Hardt (2015, section 5).
pair: a candidate is the average of the two best, with a small change.
soup: the first twenty candidates are truly worse, and each later one is the average of the best of them, which is not.
repair: every second candidate is truly worse, and the next one is the best of those with the weakness repaired.
adopt: a candidate takes over the answers of the best earlier one on a part of the items that this one gained. On the
    others it is new, as after training on records like these items.
copy: the same on all items that the best earlier one gained. That is training on the test items, so no bar applies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from seodang.gate.statistics import Floats

WEAKNESS = 0.05  # in accuracy, of candidates that are truly worse
WEAK_FIRST = 20  # candidates of the strategy "soup" that are truly worse
ADOPTED = 0.3  # share of the gained items that a candidate of the strategy "adopt" takes over

Strategy = Callable[[np.random.Generator, Sequence[Floats], Sequence[Floats], int], Floats]


def draw_new(rng: np.random.Generator, items: int) -> Floats:
    """Return what a candidate knows of each item: standard normal, independent of the difficulty."""
    return rng.normal(size=items)


def change(rng: np.random.Generator, knowledge: Floats, share: float) -> Floats:
    """Return knowledge of which a share of the variance is new."""
    changed: Floats = np.sqrt(1 - share) * knowledge + np.sqrt(share) * rng.normal(size=len(knowledge))
    return changed


def average(parts: Sequence[Floats]) -> Floats:
    """Return the average of independent knowledge, with a variance of 1, so that it is no better on fresh items."""
    mean = np.mean(parts, axis=0)
    scaled: Floats = mean / mean.std()
    return scaled


def choose_independent(
    rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int
) -> Floats:
    """Return a new candidate."""
    return draw_new(rng, items)


def choose_climb(
    rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int, share: float = 0.1
) -> Floats:
    """Return the best candidate so far with a change."""
    return change(rng, earlier[rank_best_first(seen)[0]], share) if earlier else draw_new(rng, items)


def choose_leap(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return the best candidate so far with a large change."""
    return choose_climb(rng, earlier, seen, items, share=0.5)


def choose_average(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return in turn a new candidate, and the average of the new ones that looked better."""
    lucky = [knowledge for knowledge, difference in list(zip(earlier, seen, strict=True))[::2] if difference.mean() > 0]
    return average(lucky) if len(earlier) % 2 and len(lucky) > 1 else draw_new(rng, items)


def choose_pair(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return the average of the two best candidates with a change; the first five are new."""
    if len(earlier) < 5:
        return draw_new(rng, items)
    best, second = rank_best_first(seen)[:2]
    return change(rng, average([earlier[best], earlier[second]]), 0.1)


def choose_soup(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return a new candidate; after the weak ones the average of the best of them, of another number each time."""
    if is_weak("soup", len(earlier)):
        return draw_new(rng, items)
    best_first = rank_best_first(seen[:WEAK_FIRST])
    return average([earlier[index] for index in best_first[: 2 + (len(earlier) - WEAK_FIRST) % 10]])


def choose_repair(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return in turn a new candidate, which is weak, and the best weak one so far with a small change."""
    if is_weak("repair", len(earlier)):
        return draw_new(rng, items)
    return change(rng, earlier[::2][rank_best_first(seen[::2])[0]], 0.1)


def choose_adopt(
    rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int, share: float = ADOPTED
) -> Floats:
    """Return a new candidate that knows a share of what the best earlier one gained."""
    knowledge = draw_new(rng, items)
    if earlier:
        best = rank_best_first(seen)[0]
        is_adopted = (seen[best] > 0) & (rng.random(items) < share)
        knowledge[is_adopted] = earlier[best][is_adopted]
    return knowledge


def choose_copy(rng: np.random.Generator, earlier: Sequence[Floats], seen: Sequence[Floats], items: int) -> Floats:
    """Return a new candidate that knows all that the best earlier one gained."""
    return choose_adopt(rng, earlier, seen, items, share=1.0)


def rank_best_first(seen: Sequence[Floats]) -> list[int]:
    """Return the candidates by their mean difference, the best first."""
    means = [float(difference.mean()) for difference in seen]
    return sorted(range(len(means)), key=means.__getitem__, reverse=True)


def is_weak(strategy: str, index: int) -> bool:
    """Return whether a candidate is truly worse than the reference by WEAKNESS."""
    return index < WEAK_FIRST if strategy == "soup" else strategy == "repair" and index % 2 == 0


STRATEGIES: dict[str, Strategy] = {
    "independent": choose_independent,
    "climb": choose_climb,
    "leap": choose_leap,
    "average": choose_average,
    "pair": choose_pair,
    "soup": choose_soup,
    "repair": choose_repair,
    "adopt": choose_adopt,
    "copy": choose_copy,
}
WITHOUT_BAR = {"copy"}
