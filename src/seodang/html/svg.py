"""Parts of SVG charts that all reports share: dots, axis ticks and number labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_TICKS: Final = 5


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a chart, in the units of the figure, with its step and value."""

    x: float
    y: float
    step: int
    value: float


def compute_ticks(low: float, high: float, *, from_zero: bool) -> list[float]:
    """Return about five round values from at most `low` to at least `high`.

    Args:
        low: Smallest value of the data.
        high: Largest value of the data.
        from_zero: Whether the axis starts at 0; it also does if `low` is small compared with `high`.
    """
    if from_zero or 0 <= low < 0.4 * high:
        low = min(0.0, low)
    if high <= low:
        low, high = (low - abs(low) / 2, low + abs(low) / 2) if low else (0.0, 1.0)
    raw = (high - low) / _TICKS
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def format_label(value: float) -> str:
    """Return a short label of a value: 12k, 0.25, 2e-5."""
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    if 0 < abs(value) < 1e-3:
        digits, exponent = f"{value:.2e}".split("e")
        return f"{float(digits):g}e{int(exponent)}"
    return f"{value:g}"
