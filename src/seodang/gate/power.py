"""How many items would decide a rule, or all rules of a verdict together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]

_DRAWS = 8192  # of the joint distribution; the power is then known to about 0.005
_SEED = 1446
_MAX_SCALE = 1e9  # times the items at hand
_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect that one test has seen."""

    distance: float
    """Mean difference less the bound; above zero where more items would meet the rule."""
    standard_error: float
    influence: dict[str, float]
    """By group of items: its contribution to the error of the mean. Tests on the same groups are correlated."""
    significance: float
    """Two-sided level of the test."""


def estimate_joint_scale(effects: Sequence[Effect], power: float) -> float | None:
    """Return how many times the items at hand meet all rules together with the given probability.

    With f times the items, the statistic of test j is normal with mean sqrt(f) * distance / standard error and variance
    1. The correlation of two tests is that of their contributions by group. All rules must be met, so the probability
    is that of the joint distribution, which a fixed sample estimates. Berger (1982, Technometrics 24:295-300) has the
    level of such a test; its power follows from the joint distribution.

    Args:
        effects: One per test, each with a positive distance.
        power: Probability that all rules are met, such as 0.8.

    Returns:
        The factor; None if a distance is not positive, or is so small that no number of items shows it.
    """
    if not effects or any(effect.distance < _TOLERANCE for effect in effects):
        return None
    if all(effect.standard_error < _TOLERANCE for effect in effects):
        return 0.0
    rises = np.array([effect.distance / max(effect.standard_error, _TOLERANCE) for effect in effects])
    critical = np.array([ndtri(1 - effect.significance / 2) for effect in effects])
    noise = _draw_correlated(_correlate(effects))

    roots = ((critical - noise) / rises).max(axis=1)  # of the factor at which a draw meets all rules
    scale = max(0.0, float(np.quantile(roots, power, method="higher"))) ** 2
    return scale if scale <= _MAX_SCALE else None


def estimate_rejection_scale(effect: Effect, power: float) -> float | None:
    """Return how many times as many items show that a rule does not hold; None if the distance is too close to zero.

    The normal approximation of the power of one test: ((z(1 - significance / 2) + z(power)) / z) ** 2.
    """
    if abs(effect.distance) < _TOLERANCE:
        return None
    z = abs(effect.distance) / max(effect.standard_error, _TOLERANCE)
    scale = float(((ndtri(1 - effect.significance / 2) + ndtri(power)) / z) ** 2)
    return scale if scale <= _MAX_SCALE else None


def _correlate(effects: Sequence[Effect]) -> Floats:
    names = {
        name: index for index, name in enumerate(sorted({name for effect in effects for name in effect.influence}))
    }
    rows = np.zeros((len(effects), len(names)))
    for row, effect in zip(rows, effects, strict=True):
        for name, value in effect.influence.items():
            row[names[name]] = value
    lengths = np.sqrt(np.square(rows).sum(axis=1))
    rows = rows / np.where(lengths > _TOLERANCE, lengths, 1.0)[:, None]
    correlation: Floats = rows @ rows.T
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _draw_correlated(correlation: Floats) -> Floats:
    """Return standard normal draws of shape (draws, tests) with a correlation matrix, which may be singular."""
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    normal = np.random.default_rng(_SEED).normal(size=(_DRAWS, len(correlation)))
    drawn: Floats = normal @ root.T
    return drawn
