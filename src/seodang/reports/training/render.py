"""The training report as a page. Every text of the data is escaped by the environment, not by the templates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seodang.html import environment
from seodang.html.svg import label
from seodang.reports.training.charts import Chart, chart, smoothed
from seodang.reports.training.facts import TrainingFacts
from seodang.training import curves

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES: Final = Path(__file__).parent / "templates"
_WIDE: Final = (960.0, 330.0)
_NARROW: Final = (470.0, 300.0)
_SMALL: Final = (470.0, 200.0)


def render_report(facts: TrainingFacts) -> str:
    """Return the report as one HTML page that needs nothing else: no script, no font, no network."""
    context = {
        "facts": facts,
        "checks": _checks(facts),
        "is_smoothed": bool(smoothed(facts.curves.get(curves.TRAIN_LOSS.name, []))),
        "losses": (("drawn-wide", _losses(facts, _WIDE)), ("drawn-narrow", _losses(facts, _NARROW))),
        "dynamics": [
            _single(facts, curve)
            for curve in (curves.LEARNING_RATE, curves.GRADIENT_NORM)
            if curve.name in facts.curves
        ],
        "speed": [
            _single(facts, curve)
            for curve in (curves.TOKENS, curves.MEMORY, curves.CUDA_MEMORY)
            if curve.name in facts.curves
        ],
        "speeds": {curve.name: _mean(facts, curve.name) for curve in (curves.TOKENS, curves.LEARNED, curves.RECORDS)},
        "unfinite": {
            name: lost
            for name, points in facts.curves.items()
            if (lost := sum(not math.isfinite(value) for _, value in points))
        },
    }
    return _html().get_template("report.html.j2").render(context)


def _losses(facts: TrainingFacts, size: tuple[float, float]) -> Chart:
    train = facts.curves.get(curves.TRAIN_LOSS.name, [])
    validation = facts.curves.get(curves.VALIDATION_LOSS.name, [])
    mean = smoothed(train)
    lines = [("thin" if mean else "main", train), ("main", mean), ("other", validation)]
    return chart(lines, validation, size=size, updates=facts.updates, marks=facts.resumed_at)


def _single(facts: TrainingFacts, curve: curves.Curve) -> tuple[curves.Curve, Chart]:
    points = facts.curves[curve.name]
    mean = smoothed(points) if curve in (curves.GRADIENT_NORM, curves.TOKENS) else []
    drawn = chart(
        [("thin" if mean else "main", points), ("main", mean)],
        [],
        size=_SMALL,
        updates=facts.updates,
        marks=facts.resumed_at,
        from_zero=True,
    )
    return curve, drawn


def _mean(facts: TrainingFacts, name: str) -> float | None:
    values = [value for _, value in facts.curves.get(name, []) if math.isfinite(value)]
    return sum(values) / len(values) if values else None


@dataclass(frozen=True, slots=True)
class Check:
    """One look at what training left, in words."""

    ko: str
    en: str
    found_ko: str
    found_en: str
    passed: bool


def _checks(facts: TrainingFacts) -> list[Check]:
    health, floor = facts.health, facts.settings["train"]["minimum_end_share"]
    finite = math.isfinite(facts.train_loss) and math.isfinite(facts.validation_loss)
    before, after, asked = (f"{100 * share:.0f}%" for share in (health.end_share_before, health.end_share, floor))
    return [
        Check(
            "손실이 유한함",
            "Loss is finite",
            f"학습 {facts.train_loss:.3f}, 검증 {facts.validation_loss:.3f}",
            f"train {facts.train_loss:.3f}, validation {facts.validation_loss:.3f}",
            finite,
        ),
        Check(
            "가중치를 배움",
            "Weights were learned",
            f"{facts.trainable:,}개",
            f"{facts.trainable:,}",
            facts.trainable > 0,
        ),
        Check(
            "출력이 바뀜",
            "Outputs changed",
            f"로짓이 최대 {health.largest_change:.3g} 바뀜",
            f"a logit by up to {health.largest_change:.3g}",
            health.largest_change > 0,
        ),
        Check(
            "스스로 끝맺음",
            "Answers end by themselves",
            f"{before} → {after} (기준 {asked})",
            f"{before} → {after} ({asked} asked)",
            health.end_share >= floor,
        ),
    ]


def _duration(seconds: float) -> str:
    """Return hours, minutes and seconds, as far as they are needed."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} m"
    return f"{minutes} m {rest:02} s" if minutes else f"{seconds:.1f} s"


def _megabytes(number: float) -> str:
    return f"{number / 1024:.1f} GB" if number >= 10_000 else f"{number:,.0f} MB"


@cache
def _html() -> Environment:
    made = environment(_TEMPLATES, autoescape=True)
    made.filters.update(duration=_duration, megabytes=_megabytes, tick=label)
    return made
