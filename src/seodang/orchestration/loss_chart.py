"""The loss curves as an SVG picture, in the language of the terminal and without text from data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from seodang.i18n import _
from seodang.training.curves import TRAIN_LOSS, VALIDATION_LOSS, Points

_WIDTH: Final = 640
_HEIGHT: Final = 320
_MARGIN: Final = 48
_CURVES: Final = {TRAIN_LOSS: "#3b6ea5", VALIDATION_LOSS: "#c1662f"}  # color by curve
_LEGEND_WIDTH: Final = 150
_MAX_POINTS: Final = 400  # per curve; more than the picture can show


def draw_loss_chart(curves: Mapping[str, Points]) -> str | None:
    """Return an SVG of training and validation loss by optimizer step; None without points."""
    shown = {curve: _thin(points) for curve in _CURVES if (points := curves.get(curve.name))}
    if not shown:
        return None
    steps = [step for points in shown.values() for step, _ in points]
    losses = [loss for points in shown.values() for _, loss in points]
    top, last = max(losses) or 1.0, max(steps) or 1
    lines = [_draw_line(points, last, top, _CURVES[curve]) for curve, points in shown.items()]
    labels = [
        _draw_text(_MARGIN - 6, _MARGIN, f"{top:.2f}", "end"),
        _draw_text(_MARGIN - 6, _HEIGHT - _MARGIN, "0", "end"),
        _draw_text(_WIDTH - _MARGIN, _HEIGHT - _MARGIN + 18, f"{last}", "end"),
        _draw_text(_WIDTH / 2, _HEIGHT - _MARGIN + 34, _("optimizer step"), "middle"),
        _draw_text(_WIDTH - _MARGIN, 22, _(TRAIN_LOSS.unit), "end"),
        *(
            _draw_text(_MARGIN + _LEGEND_WIDTH * index, 22, _(curve.title), "start", _CURVES[curve])
            for index, curve in enumerate(shown)
        ),
    ]
    axis = (
        f'<path d="M{_MARGIN} {_MARGIN}V{_HEIGHT - _MARGIN}H{_WIDTH - _MARGIN}" fill="none" stroke="#888"/>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="none"/>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}">'
        f'<rect width="100%" height="100%" fill="#fff"/>{axis}{"".join(lines)}{"".join(labels)}</svg>'
    )


def _thin(points: Points) -> Points:
    stride = -(-len(points) // _MAX_POINTS)
    thinned = points[::stride]
    return thinned if thinned[-1] == points[-1] else [*thinned, points[-1]]


def _draw_line(points: Sequence[tuple[int, float]], last: int, top: float, color: str) -> str:
    width, height = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    path = " ".join(
        f"{_MARGIN + width * step / last:.1f},{_HEIGHT - _MARGIN - height * loss / top:.1f}" for step, loss in points
    )
    return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>'


def _draw_text(x: float, y: float, text: str, anchor: str, color: str = "#444") -> str:
    style = f'font-family="sans-serif" font-size="12" fill="{color}" text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}" {style}>{text}</text>'
