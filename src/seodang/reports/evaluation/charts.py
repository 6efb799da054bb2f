"""Geometry of the charts: coordinates of means, intervals and ticks. The templates hold the markup."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.gate.rules import RULE_KINDS
from seodang.html.svg import compute_ticks, format_label
from seodang.metric_registry import RATIO_METRICS
from seodang.reports.evaluation.comparison import Estimate, TaskRow
from seodang.reports.evaluation.report_data import Point, ShotsPanel

BAR_WIDTH: Final = 340.0  # of a rule
TASK_WIDTH: Final = 180.0
_BAR_EDGE: Final = 14.0  # space left and right of an axis
_PANEL: Final = (470.0, 250.0)
_MARGINS: Final = (46.0, 18.0, 14.0, 30.0)  # left, right, top, bottom
_FORMAT_OFFSET: Final = 5.0  # between the points of two formats with equal numbers of few-shot examples
_TICK_WIDTH: Final = 42.0  # minimum distance between the labels of ticks


@dataclass(frozen=True, slots=True)
class Bar:
    """One interval on a common axis."""

    x: float
    low: float | None
    high: float | None
    margin: float | None


@dataclass(frozen=True, slots=True)
class Axis:
    """The common axis of the bars of one figure."""

    zero: float
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Forest:
    """The rules of one metric."""

    metric: str
    axis: Axis
    rows: tuple[tuple[Mapping[str, Any], Bar], ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """One mean with its vertical interval."""

    point: Point
    x: float
    y: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One metric over the number of few-shot examples, in the units of the figure."""

    metric: str
    language: str
    width: float
    height: float
    left: float
    right: float
    bottom: float
    series: tuple[tuple[str, tuple[Dot, ...]], ...]  # of each format
    levels: tuple[Dot, ...]  # horizontal lines
    x_ticks: tuple[tuple[float, int], ...]
    y_ticks: tuple[tuple[float, str], ...]


def build_forests(results: Sequence[Mapping[str, Any]]) -> list[Forest]:
    """Return one figure per metric; its axis includes zero and all margins."""
    figures = []
    for metric in dict.fromkeys(result["metric"] for result in results):
        rows = [result for result in results if result["metric"] == metric]
        bounds = [RULE_KINDS[row["test"]].compute_bound(row["margin"]) for row in rows]
        estimates = [Estimate(row["difference"], row["low"], row["high"], row["items"]) for row in rows]
        axis, bars = _build_bars(estimates, bounds, BAR_WIDTH)
        figures.append(Forest(metric, axis, tuple(zip(rows, bars, strict=True))))
    return figures


def build_task_bars(rows: Sequence[TaskRow]) -> tuple[Axis, dict[tuple[str, str, str], Bar]]:
    """Return the differences of tasks on one axis, by split, task and language.

    Tasks without scores, and tasks whose metric has another scale, are left out.
    """
    known = [(row, row.difference) for row in rows if row.difference is not None and row.metric in RATIO_METRICS]
    axis, bars = _build_bars([difference for _, difference in known], [None] * len(known), TASK_WIDTH)
    return axis, {(row.split, row.task, row.language): bar for (row, _), bar in zip(known, bars, strict=True)}


def _build_bars(estimates: Sequence[Estimate], margins: Sequence[float | None], width: float) -> tuple[Axis, list[Bar]]:
    ends = [end for estimate in estimates for end in (estimate.value, estimate.low, estimate.high) if end is not None]
    values = [0.0, *ends, *(margin for margin in margins if margin is not None)]
    ticks = compute_ticks(min(values), max(values), from_zero=False)

    def scale_x(value: float) -> float:
        return round(_BAR_EDGE + (width - 2 * _BAR_EDGE) * (value - ticks[0]) / (ticks[-1] - ticks[0]), 2)

    bars = [
        Bar(
            scale_x(estimate.value),
            *(None if end is None else scale_x(end) for end in (estimate.low, estimate.high, margin)),
        )
        for estimate, margin in zip(estimates, margins, strict=True)
    ]
    step = math.ceil(_TICK_WIDTH * (len(ticks) - 1) / (width - 2 * _BAR_EDGE))
    labelled_ticks = [tick for tick in ticks if round(tick / (ticks[1] - ticks[0])) % step == 0]  # zero keeps its label
    return Axis(scale_x(0.0), tuple((scale_x(tick), format_signed(tick)) for tick in labelled_ticks)), bars


def format_signed(value: float) -> str:
    """Return a short label of a difference, with its sign."""
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{format_label(abs(value))}"


def build_panel(shots_panel: ShotsPanel) -> Panel:
    """Return the geometry of one metric over the number of few-shot examples."""
    (width, height), (left, right, top, bottom) = _PANEL, _MARGINS
    points = [*shots_panel.base, *shots_panel.levels]
    ends = [end for point in points for end in (point.mean.value, point.mean.low, point.mean.high) if end is not None]
    ticks = compute_ticks(min(ends), max(ends), from_zero=False)
    shots = sorted({point.shots for point in shots_panel.base})
    formats = list(dict.fromkeys(point.format for point in shots_panel.base))
    inner = 12.0  # distance between the axis and the first point

    def scale_x(count: int) -> float:
        span = max(1, shots[-1] - shots[0])
        return round(left + inner + (width - left - right - 2 * inner) * (count - shots[0]) / span, 2)

    def scale_y(value: float) -> float:
        return round(height - bottom - (height - top - bottom) * (value - ticks[0]) / (ticks[-1] - ticks[0]), 2)

    def build_dot(point: Point, center: float) -> Dot:
        return Dot(
            point,
            center,
            scale_y(point.mean.value),
            *(None if end is None else scale_y(end) for end in (point.mean.low, point.mean.high)),
        )

    def compute_offset(format: str) -> float:
        return _FORMAT_OFFSET * (formats.index(format) - (len(formats) - 1) / 2)

    def build_series(format: str) -> tuple[Dot, ...]:
        points = sorted((point for point in shots_panel.base if point.format == format), key=_get_shots)
        return tuple(build_dot(point, scale_x(point.shots) + compute_offset(format)) for point in points)

    return Panel(
        metric=shots_panel.metric,
        language=shots_panel.language,
        width=width,
        height=height,
        left=left,
        right=width - right,
        bottom=height - bottom,
        series=tuple((format, build_series(format)) for format in formats),
        levels=tuple(build_dot(point, left) for point in shots_panel.levels),
        x_ticks=tuple((scale_x(count), count) for count in shots),
        y_ticks=tuple((scale_y(tick), format_label(tick)) for tick in ticks),
    )


def _get_shots(point: Point) -> int:
    return point.shots
