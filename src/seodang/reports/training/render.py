"""The training report as a page. Every text of the data is escaped by the environment, not by the templates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seodang.html import create_environment
from seodang.html.svg import format_label
from seodang.reports.training.charts import Chart, build_chart, smooth
from seodang.reports.training.report_data import TrainingReportData
from seodang.training import curves

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES: Final = Path(__file__).parent / "templates"
_WIDE: Final = (960.0, 330.0)
_NARROW: Final = (470.0, 300.0)
_SMALL: Final = (470.0, 200.0)


def render_report(report_data: TrainingReportData) -> str:
    """Return the report as one HTML page that needs nothing else: no script, no font, no network."""
    context = {
        "facts": report_data,
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
        "unfinite": {
            name: lost
            for name, points in report_data.curves.items()
            if (lost := sum(not math.isfinite(value) for _, value in points))
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
        size=_SMALL,
        max_step=report_data.steps,
        marks=report_data.resume_steps,
        from_zero=True,
    )
    return curve, curve_chart


def _compute_mean(report_data: TrainingReportData, name: str) -> float | None:
    values = [value for _, value in report_data.curves.get(name, []) if math.isfinite(value)]
    return sum(values) / len(values) if values else None


@dataclass(frozen=True, slots=True)
class Check:
    """One look at what training left, in words."""

    ko: str
    en: str
    result_ko: str
    result_en: str
    passed: bool


def _build_checks(report_data: TrainingReportData) -> list[Check]:
    health, minimum = report_data.health, report_data.settings["train"]["minimum_eos_ratio"]
    finite = math.isfinite(report_data.train_loss) and math.isfinite(report_data.validation_loss)
    before, after, required = (f"{100 * share:.0f}%" for share in (health.eos_ratio_before, health.eos_ratio, minimum))
    return [
        Check(
            "손실이 유한함",
            "Loss is finite",
            f"학습 {report_data.train_loss:.3f}, 검증 {report_data.validation_loss:.3f}",
            f"train {report_data.train_loss:.3f}, validation {report_data.validation_loss:.3f}",
            finite,
        ),
        Check(
            "가중치를 배움",
            "Weights were learned",
            f"{report_data.trainable_parameters:,}개",
            f"{report_data.trainable_parameters:,}",
            report_data.trainable_parameters > 0,
        ),
        Check(
            "출력이 바뀜",
            "Outputs changed",
            f"로짓이 최대 {health.max_logit_change:.3g} 바뀜",
            f"a logit by up to {health.max_logit_change:.3g}",
            health.max_logit_change > 0,
        ),
        Check(
            "스스로 끝맺음",
            "Answers end by themselves",
            f"{before} → {after} (기준 {required})",
            f"{before} → {after} ({required} asked)",
            health.eos_ratio >= minimum,
        ),
    ]


def _format_duration(seconds: float) -> str:
    """Return hours, minutes and seconds, as far as they are needed."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} m"
    return f"{minutes} m {rest:02} s" if minutes else f"{seconds:.1f} s"


def _format_megabytes(number: float) -> str:
    return f"{number / 1024:.1f} GB" if number >= 10_000 else f"{number:,.0f} MB"


@cache
def _create_environment() -> Environment:
    env = create_environment(_TEMPLATES, autoescape=True)
    env.filters.update(duration=_format_duration, megabytes=_format_megabytes, tick=format_label)
    return env
