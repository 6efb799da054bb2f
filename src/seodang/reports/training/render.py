"""Render the training report; the environment of the templates escapes all texts of the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seodang.html import create_environment
from seodang.html.svg import format_label
from seodang.i18n import N_, Message
from seodang.reports.training.charts import Chart, build_chart, smooth
from seodang.reports.training.report_data import TrainingReportData
from seodang.training import curves

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES: Final = Path(__file__).parent / "templates"
_WIDE: Final = (960.0, 330.0)
_NARROW: Final = (470.0, 300.0)
SMALL_CHART: Final = (470.0, 200.0)


def render_report(report_data: TrainingReportData) -> str:
    """Return the report as one self-contained HTML page without script, font or network access."""
    context = {
        "report_data": report_data,
        "checks": _build_checks(report_data),
        "is_smoothed": bool(smooth(report_data.curves.get(curves.TRAIN_LOSS.name, []))),
        "losses": (
            ("drawn-wide", _build_loss_chart(report_data, _WIDE)),
            ("drawn-narrow", _build_loss_chart(report_data, _NARROW)),
        ),
        "dynamics": [
            _build_curve_chart(report_data, curve)
            for curve in (curves.LEARNING_RATE, curves.GRADIENT_NORM)
            if curve.name in report_data.curves
        ],
        "speed": [
            _build_curve_chart(report_data, curve)
            for curve in (curves.TOKENS, curves.MEMORY, curves.CUDA_MEMORY)
            if curve.name in report_data.curves
        ],
        "speeds": {
            curve.name: _compute_mean(report_data, curve.name)
            for curve in (curves.TOKENS, curves.LABEL_TOKENS, curves.RECORDS)
        },
        "nonfinite": {
            name: count
            for name, points in report_data.curves.items()
            if (count := sum(not math.isfinite(value) for _step, value in points))
        },
    }
    return _create_environment().get_template("report.html.j2").render(context)


def _build_loss_chart(report_data: TrainingReportData, size: tuple[float, float]) -> Chart:
    train = report_data.curves.get(curves.TRAIN_LOSS.name, [])
    validation = report_data.curves.get(curves.VALIDATION_LOSS.name, [])
    mean = smooth(train)
    lines = [("thin" if mean else "main", train), ("main", mean), ("other", validation)]
    return build_chart(lines, validation, size=size, max_step=report_data.steps, marks=report_data.resume_steps)


def _build_curve_chart(report_data: TrainingReportData, curve: curves.Curve) -> tuple[curves.Curve, Chart]:
    points = report_data.curves[curve.name]
    mean = smooth(points) if curve in (curves.GRADIENT_NORM, curves.TOKENS) else []
    curve_chart = build_chart(
        [("thin" if mean else "main", points), ("main", mean)],
        [],
        size=SMALL_CHART,
        max_step=report_data.steps,
        marks=report_data.resume_steps,
        from_zero=True,
    )
    return curve, curve_chart


def _compute_mean(report_data: TrainingReportData, name: str) -> float | None:
    values = [value for _step, value in report_data.curves.get(name, []) if math.isfinite(value)]
    return sum(values) / len(values) if values else None


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check after training."""

    title: str
    """English; a key of the message catalogue."""
    result: Message
    passed: bool


def _build_checks(report_data: TrainingReportData) -> list[Check]:
    health, minimum = report_data.health, report_data.settings["train"]["minimum_eos_ratio"]
    losses = {"train": report_data.train_loss, "validation": report_data.validation_loss}
    return [
        Check(
            N_("The loss is finite"),
            Message("training {train:.3f}, validation {validation:.3f}", losses),
            all(map(math.isfinite, losses.values())),
        ),
        Check(
            N_("There are trainable parameters"),
            Message("{count:,} parameter", plural="{count:,} parameters", count=report_data.trainable_parameters),
            report_data.trainable_parameters > 0,
        ),
        Check(
            N_("The outputs changed"),
            Message("largest change of a logit: {change:.3g}", {"change": health.max_logit_change}),
            health.max_logit_change > 0,
        ),
        Check(
            N_("Answers end by themselves"),
            Message(
                "{before:.0%} → {after:.0%} (minimum {minimum:.0%})",
                {"before": health.eos_ratio_before, "after": health.eos_ratio, "minimum": minimum},
            ),
            health.eos_ratio >= minimum,
        ),
    ]


def format_duration(seconds: float) -> str:
    """Return hours and minutes, minutes and seconds, or seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} m"
    return f"{minutes} m {rest:02} s" if minutes else f"{seconds:.1f} s"


def format_megabytes(number: float) -> str:
    """Return a size in a readable unit."""
    return f"{number / 1024:.1f} GB" if number >= 10_000 else f"{number:,.0f} MB"


@cache
def _create_environment() -> Environment:
    env = create_environment(TEMPLATES, autoescape=True)
    env.filters.update(duration=format_duration, megabytes=format_megabytes, tick=format_label)
    return env
