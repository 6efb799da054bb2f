"""Points of a learning curve: scores with intervals, differences and the rise per doubling of the records. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seodang.config.curve import CurveParams, CurveVariant
from seodang.gate.statistics import Floats, compute_paired_bootstrap
from seodang.study.results import VariantScores

SINGLE: CurveVariant = "single"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over the items with its interval, which covers the choice of the items and not that of the seeds."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The models of one variant and number of records, on one group of tasks."""

    group: str
    method: str
    """single, mix, or a baseline that learned from the records of `single`."""
    asked: int
    """Records of the tasks that the study file names."""
    records: int
    """Records of the tasks that there are."""
    items: int
    score: Estimate
    """Mean of the primary metric over items and seeds."""
    seed_scores: tuple[float, ...]
    """Mean of each seed's model, in the order of the seeds."""
    seed_deviation: float | None
    """Standard deviation of the seeds' means; None for a single seed."""
    to_base: Estimate
    """Difference to the base's best prompt."""
    to_single: Estimate | None
    """Difference of the mix to the single task with as many records of the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The rise of a curve between its two last points."""

    group: str
    method: str
    first: int
    """Records of the last point but one."""
    last: int
    per_doubling: Estimate

    @property
    def is_rising(self) -> bool | None:
        """Return True or False for a rise or a fall whose interval excludes 0; None if the interval has 0."""
        if self.per_doubling.low > 0:
            return True
        return False if self.per_doubling.high < 0 else None


def estimate(values: Floats, scores: VariantScores, curve: CurveParams, scale: float = 1.0) -> Estimate:
    """Return the mean of the items' values with its bootstrap interval, all divided by `scale`."""
    result = compute_paired_bootstrap(
        values,
        margin=0.0,
        seed=curve.seed,
        resamples=curve.resamples,
        confidence=curve.confidence,
        groups=scores.groups,
    )
    return Estimate(result.difference / scale, result.low / scale, result.high / scale)


@dataclass(frozen=True, slots=True)
class Models:
    """The scores of the models of one point, one per seed, on the items of one group."""

    method: str
    asked: int
    records: int
    by_seed: Sequence[VariantScores]

    @property
    def mean(self) -> Floats:
        """Return each item's mean over the seeds."""
        mean: Floats = np.mean([scores.values for scores in self.by_seed], axis=0)
        return mean


def build_point(group: str, models: Models, base: VariantScores, single: Models | None, curve: CurveParams) -> Point:
    """Return a point.

    Args:
        group: Of the tasks.
        models: Of the point.
        base: The base's best prompt.
        single: Of the single task with as many records, for a mix.
        curve: Seed, resamples and confidence.
    """
    values, first = models.mean, models.by_seed[0]
    score = estimate(values, first, curve)
    means = tuple(float(scores.values.mean()) for scores in models.by_seed)
    return Point(
        group=group,
        method=models.method,
        asked=models.asked,
        records=models.records,
        items=len(values),
        score=Estimate(score.value, max(0.0, score.low), min(1.0, score.high)),
        seed_scores=means,
        seed_deviation=statistics.stdev(means) if len(means) > 1 else None,
        to_base=estimate(values - base.values, first, curve),
        to_single=None if single is None else estimate(values - single.mean, first, curve),
    )


def build_points(
    group: str, models: Mapping[tuple[str, int], Models], base: VariantScores, curve: CurveParams
) -> list[Point]:
    """Return the points of a group, by method and number of records."""
    return [
        build_point(group, one, base, models.get((SINGLE, asked)) if method not in (SINGLE, "letters") else None, curve)
        for (method, asked), one in models.items()
    ]


def build_trends(group: str, models: Mapping[tuple[str, int], Models], curve: CurveParams) -> list[Trend]:
    """Return the rise of each method between its two last points; none for a single point."""
    trends = []
    for method in dict.fromkeys(method for method, _asked in models):
        row = sorted((one for (name, _asked), one in models.items() if name == method), key=lambda one: one.records)
        if len(row) < 2:
            continue
        first, last = row[-2:]
        rise = estimate(last.mean - first.mean, last.by_seed[0], curve, math.log2(last.records / first.records))
        trends.append(Trend(group=group, method=method, first=first.records, last=last.records, per_doubling=rise))
    return trends
