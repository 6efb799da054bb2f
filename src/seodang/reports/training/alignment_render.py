"""Render the page of preference tuning; the environment of the templates escapes all texts of the data."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Final

from seodang.gate.verdict import OUTCOME_LABELS
from seodang.html import create_environment
from seodang.html.svg import format_label
from seodang.i18n import N_
from seodang.reports.training.alignment import AlignmentPageData
from seodang.reports.training.charts import Chart, build_chart
from seodang.reports.training.render import SMALL_CHART, TEMPLATES, format_duration, format_megabytes
from seodang.training import curves
from seodang.training.curves import Curve

if TYPE_CHECKING:
    from jinja2 import Environment

_OUTCOME_CLASSES: Final = {True: "met", False: "unmet", None: "open"}
_UNITS: Final = {
    "reward_accuracy": "share",
    "aligned_accuracy": "share",
    "thumb_accuracy": "share",
    "chosen_change": "nats",
    "length_ratio": "ratio",
}
"""By the name of a bounded figure; others have three decimals."""
_CURVES: Final = (
    replace(curves.TRAIN_LOSS, unit=""),  # the unit depends on the method
    replace(curves.VALIDATION_LOSS, title=N_("Held-out loss"), unit=""),
    *curves.PREFERENCES,
    *(curves.LEARNING_RATE, curves.GRADIENT_NORM, curves.MEMORY, curves.CUDA_MEMORY),
)
_CHECKSUMS: Final = ("adapter_sha256", "tuned_sha256", "base_sha256", "prompt_fingerprint")


def render_alignment_page(data: AlignmentPageData) -> str:
    """Return the page as one self-contained HTML file without script, font or network access."""
    numbers = count(4 if data.reward_figures else 3)
    context = {
        "data": data,
        "units": _UNITS,
        "outcome_labels": OUTCOME_LABELS,
        "outcome_classes": _OUTCOME_CLASSES,
        "split_labels": {"train": N_("training"), "held_out": N_("held-out records")},
        "charts_by_curve": _build_charts(data),
        "sections": {name: next(numbers) for name in ("curves", "answers", "data", "settings")},
        "checksums": {name: data.report[name] for name in _CHECKSUMS} | data.report["input_sha256"],
    }
    return _create_environment().get_template("align.html.j2").render(context)


def _build_charts(data: AlignmentPageData) -> list[tuple[Curve, Chart]]:
    """Return the curves of the run; a single value is no curve."""
    steps, marks = data.report["steps"], data.report["resume_steps"]
    return [
        (curve, build_chart([("main", points)], [], size=SMALL_CHART, max_step=steps, marks=marks))
        for curve in _CURVES
        if len(points := data.curves.get(curve.name, [])) > 1
    ]


def _format_figure(value: float | None, unit: str, *, signed: bool = False) -> str:
    """Return a figure in its unit; a change has a sign, as a minus of its own character."""
    if value is None:
        return "–"
    sign = "−" if value < 0 else "+" if signed and value > 0 else ""
    size = abs(value)
    text = {
        "share": f"{100 * size:.1f}%",
        "nats": f"{size:.2f}",
        "tokens": f"{size:.1f}",
        "ratio": f"{size:.2f}",
        "score": f"{size:.3f}",
    }[unit]
    return f"{sign}{text}"


@cache
def _create_environment() -> Environment:
    env = create_environment(TEMPLATES, autoescape=True)
    env.filters.update(duration=format_duration, megabytes=format_megabytes, tick=format_label, figure=_format_figure)
    return env
