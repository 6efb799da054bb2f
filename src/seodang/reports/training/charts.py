"""Geometry of the charts: positions of lines, points and ticks. The templates hold the markup."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from seodang.html.svg import Dot, compute_ticks, format_label
from seodang.training.curves import Points

_COLUMNS: Final = 400  # a line with many points is drawn as the lowest and the highest point of each column
_MIN_SMOOTHING_POINTS: Final = 24  # a line with fewer points is not smoothed
_WINDOW_DIVISOR: Final = 20  # a twentieth of the points lies in the window on each side
_MARGINS: Final = (46.0, 16.0, 14.0, 30.0)  # left, right, top, bottom


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Curves on common axes, in units of the figure."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    lines: tuple[tuple[str, str], ...]
    """Class and path."""
    dots: tuple[Dot, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    marks: tuple[tuple[float, int], ...]
    """Position and optimizer step at which a run resumed."""


def build_chart(
    lines: Sequence[tuple[str, Points]],
    dots: Points,
    *,
    size: tuple[float, float],
    max_step: int,
    marks: Sequence[int] = (),
    from_zero: bool = False,
) -> Chart:
    """Return the geometry of curves over the optimizer steps.

    Args:
        lines: CSS class and points of each line; a value that is not finite interrupts the line.
        dots: Points that are drawn as dots.
        size: Width and height.
        max_step: Right end of the axis, at least 1.
        marks: Optimizer steps that get a vertical line.
        from_zero: Whether the y axis starts at zero, as it must if sizes are compared.
    """
    (width, height), (left, right, top, bottom) = size, _MARGINS
    drawn_lines = [(name, _downsample(points)) for name, points in lines]
    values = [value for _, points in (*drawn_lines, ("", dots)) for _, value in points if math.isfinite(value)]
    ticks = compute_ticks(min(values, default=0.0), max(values, default=1.0), from_zero=from_zero)
    low, high = ticks[0], ticks[-1]

    def scale_x(step: float) -> float:
        return round(left + (width - left - right) * step / max(1, max_step), 2)

    def scale_y(value: float) -> float:
        return round(height - bottom - (height - top - bottom) * (value - low) / (high - low), 2)

    def build_line(points: Points) -> str:
        return _build_path([(scale_x(x), scale_y(y) if math.isfinite(y) else math.nan) for x, y in points])

    return Chart(
        width=width,
        height=height,
        left=left,
        right=width - right,
        top=top,
        bottom=height - bottom,
        lines=tuple((name, build_line(points)) for name, points in drawn_lines),
        dots=tuple(Dot(scale_x(step), scale_y(value), step, value) for step, value in dots if math.isfinite(value)),
        x_ticks=tuple((scale_x(tick), format_label(tick)) for tick in _compute_step_ticks(max_step)),
        y_ticks=tuple((scale_y(tick), format_label(tick)) for tick in ticks),
        marks=tuple((scale_x(step), step) for step in marks),
    )


def _compute_step_ticks(max_step: int) -> list[float]:
    """Return the ticks of the x axis; a step is a whole number."""
    ticks = compute_ticks(0, max(1, max_step), from_zero=True)
    return [tick for tick in ticks if tick <= max_step and tick == int(tick)]


def smooth(points: Points) -> Points:
    """Return the weighted mean of each point and its neighbours; no points if there are few.

    Nearer neighbours weigh more. Both sides have the same number of neighbours, fewer towards the ends. So the line
    does not lag behind its points as an exponential average does.
    """
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    if len(finite) < _MIN_SMOOTHING_POINTS:
        return []
    reach, last = max(1, len(finite) // _WINDOW_DIVISOR), len(finite) - 1
    line = []
    for index, (step, _) in enumerate(finite):
        near = min(reach, index, last - index)
        weights = [near + 1 - abs(off) for off in range(-near, near + 1)]
        values = [value for _, value in finite[index - near : index + near + 1]]
        line.append((step, sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)))
    return line


def _downsample(points: Points) -> Points:
    if len(points) <= 2 * _COLUMNS:
        return points
    bounds = [round(column * len(points) / _COLUMNS) for column in range(_COLUMNS + 1)]
    kept: Points = []
    for start, end in pairwise(bounds):
        piece = points[start:end]
        gaps = [point for point in piece if not math.isfinite(point[1])]
        kept += gaps[:1] or sorted({min(piece, key=lambda point: point[1]), max(piece, key=lambda point: point[1])})
    return kept


def _build_path(points: Sequence[tuple[float, float]]) -> str:
    parts, down = [], False
    for x, y in points:
        if math.isnan(y):
            down = False
            continue
        parts.append(f"{'L' if down else 'M'}{x:g} {y:g}")
        down = True
    return "".join(parts)
