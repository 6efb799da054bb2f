"""The plot of a learning curve in the units of an SVG figure: score over the logarithm of the records. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.html.svg import compute_ticks, format_label
from seodang.study.curve.report.texts import format_estimate

WIDTH: Final = 760.0
HEIGHT: Final = 420.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 20.0, 32.0, 46.0
_MARGIN = 40.0  # between the frame and the first and last point
_SHIFT = 9.0  # between the marks of methods at the same number of records
SYMBOL_BY_METHOD: Final = {"single": "circle", "mix": "square", "letters": "triangle"}


@dataclass(frozen=True, slots=True)
class Mark:
    """One point with its interval and the points of its seeds."""

    x: float
    y: float
    low: float
    high: float
    seeds: tuple[float, ...]
    """Of several seeds."""
    text: str


@dataclass(frozen=True, slots=True)
class Series:
    """One curve."""

    method: str
    symbol: str
    marks: tuple[Mark, ...]

    @property
    def path(self) -> str:
        """Return the coordinates of the line through the points."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure."""

    series: tuple[Series, ...]
    lines: tuple[tuple[str, float, str], ...]
    """Method, y and score of each horizontal line."""
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    left: float
    right: float
    top: float
    bottom: float


def build_plot(report: Mapping[str, Any], group: str) -> Plot | None:
    """Return the plot of a group of tasks; None without a point."""
    points = [point for point in report["points"] if point["group"] == group]
    lines = [line for line in report["lines"] if line["group"] == group]
    if not points:
        return None
    estimates = [row["score"] for row in (*points, *lines)]
    # Intervals of a score may leave 0 to 1 by their construction; the axis does not.
    low, high = min(one["low"] for one in estimates), max(one["high"] for one in estimates)
    ticks = [tick for tick in compute_ticks(max(0.0, low), min(1.0, high), from_zero=False) if 0 <= tick <= 1]
    place = _Scale([point["records"] for point in points], ticks)
    methods = list(dict.fromkeys(point["method"] for point in points))
    return Plot(
        tuple(_build_series(method, index, len(methods), points, place) for index, method in enumerate(methods)),
        tuple((line["method"], place.y(line["score"]["value"]), format_estimate(line["score"])) for line in lines),
        tuple((place.x(number), f"{number:,}") for number in sorted({point["records"] for point in points})),
        tuple((place.y(tick), format_label(tick)) for tick in ticks),
        _LEFT,
        WIDTH - _RIGHT,
        _TOP,
        HEIGHT - _BOTTOM,
    )


class _Scale:
    """Coordinates of numbers of records and of scores."""

    def __init__(self, numbers: Sequence[int], ticks: Sequence[float]) -> None:
        self._first, self._last = math.log2(min(numbers)), math.log2(max(numbers))
        self._low, self._high = ticks[0], ticks[-1]

    def x(self, number: int) -> float:
        """Return the place of a number of records; that of a single one is the middle."""
        width = WIDTH - _LEFT - _RIGHT - 2 * _MARGIN
        span = self._last - self._first
        return _LEFT + _MARGIN + width * ((math.log2(number) - self._first) / span if span else 0.5)

    def y(self, score: float) -> float:
        """Return the place of a score; one outside the axis lies on its end."""
        share = (score - self._low) / (self._high - self._low)
        return HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * min(1.0, max(0.0, share))


def _build_series(method: str, index: int, count: int, points: Sequence[Mapping[str, Any]], place: _Scale) -> Series:
    shift = (index - (count - 1) / 2) * _SHIFT
    marks = tuple(
        Mark(
            place.x(point["records"]) + shift,
            place.y(point["score"]["value"]),
            place.y(point["score"]["low"]),
            place.y(point["score"]["high"]),
            tuple(map(place.y, point["seed_scores"])) if len(point["seed_scores"]) > 1 else (),
            f"{point['records']:,}: {format_estimate(point['score'])}",
        )
        for point in points
        if point["method"] == method
    )
    return Series(method, SYMBOL_BY_METHOD[method], marks)
