"""Geometry of the figures: positions of bars, ticks and arcs. The templates hold the markup."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from seodang.reports.data_card.statistics import compute_quantile
from seodang.reports.data_card.verbs import RootFigure, Verb

BINS_PER_DECADE: Final = 6


@dataclass(frozen=True, slots=True)
class Histogram:
    """Lengths of one field in one language, in bins of equal width on a logarithmic axis."""

    bars: tuple[tuple[float, float, float, int], ...]  # left and right edge in 0..1, height in 0..1, records
    ticks: tuple[tuple[float, str], ...]  # position in 0..1, label
    median: int
    median_at: float
    p95: int
    p95_at: float
    longest: int
    empty: int  # records with an empty field; not in the bars
    records: int


def build_histogram(lengths: Counter[int], longest: int) -> Histogram:
    """Return a histogram on a logarithmic axis from 1 to `longest` characters.

    Args:
        lengths: Characters -> records; 0 characters count as empty.
        longest: End of the axis in characters, at least 10; adjacent figures share it.

    """
    non_empty = Counter({length: count for length, count in lengths.items() if length})
    span = math.ceil(math.log10(max(10, longest)) * BINS_PER_DECADE)
    bins: Counter[int] = Counter()
    for length, count in non_empty.items():
        bins[min(span - 1, int(math.log10(length) * BINS_PER_DECADE + 1e-9))] += count
    highest = max(bins.values(), default=1)
    median, p95 = compute_quantile(non_empty, 0.5), compute_quantile(non_empty, 0.95)
    return Histogram(
        bars=tuple((index / span, (index + 1) / span, bins[index] / highest, bins[index]) for index in sorted(bins)),
        ticks=tuple(
            (power * BINS_PER_DECADE / span, _format_number(10**power)) for power in range(span // BINS_PER_DECADE + 1)
        ),
        median=median,
        median_at=_scale_length(median, span),
        p95=p95,
        p95_at=_scale_length(p95, span),
        longest=max(non_empty, default=0),
        empty=lengths[0],
        records=lengths.total(),
    )


def _scale_length(length: int, span: int) -> float:
    return math.log10(length) * BINS_PER_DECADE / span if length else 0.0


def _format_number(number: int) -> str:
    return f"{number // 1000}k" if number >= 1000 else str(number)


@dataclass(frozen=True, slots=True)
class Arc:
    """One segment of a ring: path, colour, and a label along the radius if it fits."""

    path: str
    hue: int  # degrees
    ring: int  # 0 inner, 1 outer
    shade: int  # 0 to 3: lightness among the segments of one verb
    label: str
    size: float  # font size of the label in the units of the figure
    count: int
    x: float
    y: float
    rotation: float  # degrees; labels read outwards on the right side, inwards on the left side


# Radii of the hole, the verbs and the objects in the units of the figure.
_HOLE: Final = 62
_MIDDLE: Final = 190
_RIM: Final = 330
CENTRE: Final = 350
_MAX_LETTER: Final = 12.5  # font sizes of the labels
_MIN_LETTER: Final = 8.0
_HUES: Final = (12, 338)  # red to violet, so the first and the last verb differ


def build_sunburst(figure: RootFigure) -> list[Arc]:
    """Return the segments of a two-ring sunburst, clockwise from the top: each verb, with its objects around it."""
    arcs: list[Arc] = []
    angle = 0.0
    for index, verb in enumerate(figure.verbs):
        hue = round(_HUES[0] + (_HUES[1] - _HUES[0]) * index / max(1, len(figure.verbs) - 1))
        width = verb.top_count / figure.total * math.tau
        arcs += [
            _build_arc((angle, angle + width), 0, hue, 0, verb.name, verb.top_count),
            *_build_object_arcs(verb, angle, figure.total, hue),
        ]
        angle += width
    return arcs


def _build_object_arcs(verb: Verb, angle: float, total: int, hue: int) -> list[Arc]:
    arcs = []
    for shade, (name, count) in enumerate(verb.objects):
        width = count / total * math.tau
        arcs.append(_build_arc((angle, angle + width), 1, hue, shade, name, count))
        angle += width
    return arcs


def _build_arc(angles: tuple[float, float], ring: int, hue: int, shade: int, label: str, count: int) -> Arc:
    inner, outer = ((_HOLE, _MIDDLE), (_MIDDLE + 2, _RIM))[ring]
    middle, radius = sum(angles) / 2, (inner + outer) / 2
    size = _compute_letter_size(label, angles[1] - angles[0], inner, outer)
    rotation = math.degrees(middle) - 90
    x, y = _compute_point(middle, radius)
    return Arc(
        _format_path(angles, inner, outer),
        hue,
        ring,
        shade,
        label if size else "",
        size,
        count,
        x,
        y,
        round(rotation + 180 if 90 < rotation < 270 else rotation, 2),
    )


def _compute_letter_size(label: str, width: float, inner: float, outer: float) -> float:
    """Return the largest font size with which the label fits its segment; 0 if that is too small to read."""
    letters = sum(1.0 if ord(letter) > 0x1100 else 0.56 for letter in label)  # a Hangul syllable is as wide as high
    # The arc at the inner end of the label and the depth of the ring limit the size.
    size = min(_MAX_LETTER, (outer - inner - 8) / max(1.0, letters))
    while size >= _MIN_LETTER and (inner + outer - letters * size) / 2 * width < size:
        size -= 0.5
    return round(size, 1) if size >= _MIN_LETTER else 0.0


def _format_path(angles: tuple[float, float], inner: float, outer: float) -> str:
    start, end = angles[0], min(angles[1], angles[0] + math.tau - 1e-4)  # a full circle needs two different ends
    large = int(end - start > math.pi)
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = (
        _compute_point(start, outer),
        _compute_point(end, outer),
        _compute_point(end, inner),
        _compute_point(start, inner),
    )
    return f"M{ax} {ay}A{outer} {outer} 0 {large} 1 {bx} {by}L{cx} {cy}A{inner} {inner} 0 {large} 0 {dx} {dy}Z"


def _compute_point(angle: float, radius: float) -> tuple[float, float]:
    return round(CENTRE + radius * math.sin(angle), 2), round(CENTRE - radius * math.cos(angle), 2)


def compute_pieces(counts: Sequence[int]) -> list[tuple[float, float]]:
    """Return the start and width in 0..1 of the pieces of a bar."""
    total, start, pieces = max(1, sum(counts)), 0.0, []
    for count in counts:
        pieces.append((start, count / total))
        start += count / total
    return pieces
