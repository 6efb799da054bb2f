"""Agreement between two sets of verdicts: Cohen's kappa, its quadratic weights, Krippendorff's alpha. Pure.

A verdict is the score of answer A: 1 better, 0.5 equal, 0 worse. Cohen 1960 (Educational and Psychological Measurement
20:37-46) defines kappa, Cohen 1968 (Psychological Bulletin 70:213-220) its weights, and Krippendorff 2011 ("Computing
Krippendorff's Alpha-Reliability") alpha for any number of raters with missing values.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final, Literal

import numpy as np

from seodang.evaluation.judge.resampling import Floats, Statistic

CATEGORIES: Final = ("A", "tie", "B", "no verdict")
"""Rows and columns of a confusion table; people always give a verdict, so its last row is empty."""
_RANKS: Final = {1.0: 0, 0.5: 1, 0.0: 2}
_UNKNOWN: Final = 3


def categorize(score: float | None) -> int:
    """Return the index of a verdict in CATEGORIES; a score above 0.5 prefers A."""
    if score is None:
        return _UNKNOWN
    return _RANKS[1.0 if score > 0.5 else 0.5 if score == 0.5 else 0.0]


def build_cells(people: Sequence[float | None], judge: Sequence[float | None]) -> Floats:
    """Return for each pair its cell of the confusion table, of shape (pairs, 16): row people, column judge."""
    size = len(CATEGORIES)
    cells = np.zeros((len(people), size * size))
    for index, (one, other) in enumerate(zip(people, judge, strict=True)):
        cells[index, categorize(one) * size + categorize(other)] = 1.0
    return cells


def make_kappa(weights: Literal["none", "quadratic"], size: int) -> Statistic:
    """Return Cohen's kappa as a function of the counts of a table with `size` categories.

    Args:
        weights: none: every disagreement counts alike; quadratic: with the square of its distance in the order.
        size: Number of categories k; the counts have the shape (..., k * k).
    """
    distances = np.subtract.outer(np.arange(size), np.arange(size)).astype(np.float64)
    penalties = np.square(distances) if weights == "quadratic" else (distances != 0).astype(np.float64)

    def compute(cells: Floats) -> Floats:
        table = _shape_table(cells)
        rows, columns = table.sum(axis=-1), table.sum(axis=-2)
        total = rows.sum(axis=-1)
        observed = (table * penalties).sum(axis=(-2, -1))
        expected = (rows[..., :, None] * columns[..., None, :] * penalties).sum(axis=(-2, -1))
        with np.errstate(invalid="ignore", divide="ignore"):
            result: Floats = np.where(expected > 0, 1 - observed * total / expected, np.nan)
        return result

    return compute


def drop_unknown(cells: Floats) -> Floats:
    """Return the counts without pairs that lack a verdict, of shape (..., 9): A, tie, B in their order."""
    table = _shape_table(cells)[..., :_UNKNOWN, :_UNKNOWN]
    return table.reshape(*table.shape[:-2], _UNKNOWN * _UNKNOWN)


def _shape_table(cells: Floats) -> Floats:
    size = round(cells.shape[-1] ** 0.5)
    return cells.reshape(*cells.shape[:-1], size, size)


Metric = Literal["nominal", "interval"]
_DIFFERENCES: Final[dict[Metric, Callable[[Floats], Floats]]] = {
    "nominal": lambda values: (np.subtract.outer(values, values) != 0).astype(np.float64),
    "interval": lambda values: np.square(np.subtract.outer(values, values)),
}


def build_coincidences(units: Sequence[Sequence[float]], values: Sequence[float]) -> Floats:
    """Return for each unit its coincidences of values, of shape (units, k * k); zero with fewer than two ratings.

    Args:
        units: Ratings of each unit by any number of raters.
        values: Every value that occurs, k in all.
    """
    order: dict[Hashable, int] = {value: index for index, value in enumerate(values)}
    size = len(order)
    rows = np.zeros((len(units), size, size))
    for row, ratings in zip(rows, units, strict=True):
        if len(ratings) < 2:
            continue
        counts = np.bincount([order[rating] for rating in ratings], minlength=size).astype(np.float64)
        row += (np.outer(counts, counts) - np.diag(counts)) / (len(ratings) - 1)
    return rows.reshape(len(units), size * size)


def make_alpha(values: Sequence[float], metric: Metric) -> Statistic:
    """Return Krippendorff's alpha as a function of sums of coincidences.

    Args:
        values: As for build_coincidences.
        metric: nominal: all differences count alike; interval: with their square.
    """
    differences = _DIFFERENCES[metric](np.asarray(values, dtype=np.float64))

    def compute(cells: Floats) -> Floats:
        table = _shape_table(cells)
        totals = table.sum(axis=-1)
        count = totals.sum(axis=-1)
        observed = (table * differences).sum(axis=(-2, -1))
        expected = (totals[..., :, None] * totals[..., None, :] * differences).sum(axis=(-2, -1))
        with np.errstate(invalid="ignore", divide="ignore"):
            result: Floats = np.where(expected > 0, 1 - (count - 1) * observed / expected, np.nan)
        return result

    return compute
