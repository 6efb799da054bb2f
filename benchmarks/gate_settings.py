"""Pairs of models that the simulation of the gate judges, one setting for each line of its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from gate_models import (
    ACCURACY,
    CORRELATION,
    MODELS,
    build_pairs,
    draw_chrf,
    draw_lost_passages,
    draw_mostly_equal,
    draw_passages,
    draw_skewed,
)
from scipy.special import ndtri

from seodang.gate.scores import Pairs
from seodang.gate.statistics import Floats

Comparisons = dict[str, list[tuple[str, dict[str, Pairs]]]]
Draw = Callable[[np.random.Generator], Comparisons]


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of a table."""

    name: str
    metrics: tuple[str, ...]
    draw: Draw
    against: str = "champion"
    is_equal: bool = False
    """The candidate is not better, so that a promotion is an error."""


def list_levels() -> Iterator[Setting]:
    """Yield equal models."""
    for items in (20, 42, 100, 300, 1000):
        for name, metrics in (("accuracy", ("accuracy",)), ("marks", ("judge",)), ("both", ("accuracy", "judge"))):
            yield Setting(f"{name}, {items} items", metrics, partial(draw_models, metrics, items, 0.0), is_equal=True)
    for passages, size, correlation in ((150, 2, 0.9), (60, 5, 0.3), (60, 5, 0.5), (30, 10, 0.3), (15, 20, 0.2)):
        yield Setting(
            f"{passages} passages of {size} questions, correlation {correlation}",
            ("accuracy",),
            partial(draw_grouped, passages, size, correlation),
            is_equal=True,
        )
    for passages, size in ((15, 20), (20, 10), (60, 5), (100, 5)):
        draw = partial(draw_lost, passages, size, 0.05)
        name = f"{passages} passages of {size} questions, 5% of them lost"
        # Nearly half of the samples of 15 passages have none that is lost: no test can hold the level there.
        yield Setting(name, ("accuracy",), draw, is_equal=passages > 15)
    for items in (20, 30, 42, 100, 300):
        for spread in (0.5, 0.8, 1.2):
            draw = partial(draw_single, "loss", draw_skewed, items, spread)
            yield Setting(f"loss, lognormal({spread}), {items} items", ("loss",), draw, is_equal=True)
    for items in (30, 42, 60, 100, 200):
        for share, spread in ((0.3, 1.2), (0.5, 0.5), (0.5, 1.2), (0.7, 1.2)):
            draw = partial(draw_single, "loss", draw_mostly_equal, items, share, spread)
            name = f"loss, {share:.0%} of the items differ, lognormal({spread}), {items} items"
            yield Setting(name, ("loss",), draw, is_equal=True)
    for items in (20, 42, 100, 300):
        for kinds in ("all", "open"):
            for sign, direction in ((1.0, "as measured"), (-1.0, "exchanged")):
                draw = partial(draw_single, "chrf", draw_chrf, items, kinds, sign)
                yield Setting(f"chrF, {kinds} answers, {direction}, {items} items", ("chrf",), draw, is_equal=True)


def list_power() -> Iterator[Setting]:
    """Yield better models."""
    for items in (20, 42, 100, 300, 1000):
        for difference in (0.02, 0.05, 0.1, 0.2):
            draw = partial(draw_models, ("accuracy",), items, difference)
            yield Setting(f"accuracy +{difference:g}, {items} items", ("accuracy",), draw)
        for difference in (0.25, 0.5, 1.0):
            draw = partial(draw_models, ("judge",), items, difference)
            yield Setting(f"marks +{difference:g}, {items} items", ("judge",), draw)


def list_prompts() -> Iterator[Setting]:
    """Yield models against several prompts of the base: equal ones, and ones that differ in steps."""
    for prompts, step in ((1, 0.0), (5, 0.0), (10, 0.0), (30, 0.0), (5, 0.02), (10, 0.02)):
        for difference in (0.0, 0.1, -0.1):
            yield Setting(
                f"{prompts} prompts{f' in steps of {step:g}' if step else ''}, {difference:+g}, 300 items",
                ("accuracy",),
                partial(draw_prompts, prompts, step, difference),
                against="base",
                is_equal=not difference,
            )


def draw_models(metrics: Sequence[str], items: int, difference: float, rng: np.random.Generator) -> Comparisons:
    """Return a candidate and a champion with independent items."""
    pairs = {metric: build_pairs(*MODELS[metric](rng, items, difference)) for metric in metrics}
    return {"champion": [("champion", pairs)]}


def draw_grouped(passages: int, size: int, correlation: float, rng: np.random.Generator) -> Comparisons:
    """Return a candidate and a champion with several questions on each passage."""
    return {"champion": [("champion", {"accuracy": build_pairs(*draw_passages(rng, passages, size, correlation))})]}


def draw_lost(passages: int, size: int, share: float, rng: np.random.Generator) -> Comparisons:
    """Return a candidate that loses complete passages, and a champion."""
    return {"champion": [("champion", {"accuracy": build_pairs(*draw_lost_passages(rng, passages, size, share))})]}


def draw_single(metric: str, draw: Callable[..., tuple[Floats, Floats]], *arguments: object) -> Comparisons:
    """Return a candidate and a champion from a function that takes the generator first; it comes last here."""
    *settings, rng = arguments
    return {"champion": [("champion", {metric: build_pairs(*draw(rng, *settings))})]}


def draw_prompts(prompts: int, step: float, difference: float, rng: np.random.Generator) -> Comparisons:
    """Return a candidate and prompts of the base, each worse by a step than the one before; the first has ACCURACY."""
    shared = rng.normal(size=300)

    def draw(accuracy: float) -> Floats:
        latent = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * rng.normal(size=300)
        scores: Floats = (latent < ndtri(accuracy)).astype(float)
        return scores

    candidate = draw(ACCURACY + difference)
    variants = [
        (f"few_shot/{number}", {"accuracy": build_pairs(candidate, draw(ACCURACY - step * number))})
        for number in range(prompts)
    ]
    return {"base": variants}


def draw_shifted(metrics: Sequence[str], items: int, rng: np.random.Generator) -> Comparisons:
    """Return a candidate that is better by 0.3, with a standard deviation of the difference of sqrt(2)."""
    pairs = {metric: build_pairs(rng.normal(0.3, np.sqrt(2), items), np.zeros(items)) for metric in metrics}
    return {"champion": [("champion", pairs)]}


TABLES: dict[str, Callable[[], Iterator[Setting]]] = {
    "levels": list_levels,
    "power": list_power,
    "prompts": list_prompts,
}
