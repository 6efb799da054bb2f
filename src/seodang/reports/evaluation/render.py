"""The evaluation report as a page. The environment escapes all texts of the data."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seodang.evaluation.aggregate import BASELINE_LABELS
from seodang.evaluation.judge.judge_report import describe_calibration
from seodang.gate.differences import ScoreDifference, read_score_difference, turn_difference
from seodang.gate.rules import RULE_KINDS
from seodang.gate.verdict import OUTCOME_LABELS, VERDICT_LABELS
from seodang.html import create_environment
from seodang.i18n import N_, Message
from seodang.metric_registry import BINARY_METRICS, LOWER_IS_BETTER, SUMMARY_METRICS, format_metric, get_label
from seodang.reports.evaluation.charts import (
    BAR_WIDTH,
    TASK_WIDTH,
    build_forests,
    build_panel,
    build_task_bars,
    format_signed,
)
from seodang.reports.evaluation.comparison import TaskRow
from seodang.reports.evaluation.regressions import Change
from seodang.reports.evaluation.report_data import EvaluationReportData

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES: Final = Path(__file__).parent / "templates"
OUTCOME_CLASSES: Final = {True: "met", False: "unmet", None: "open"}
LANGUAGE_LABELS: Final = {"ko": N_("Korean"), "en": N_("English")}
UNVERIFIED_LABELS: Final = {
    "revision": N_("revision"),
    "files": N_("file names"),
    "columns": N_("columns"),
    "licence": N_("licence"),
    "items": N_("number of items"),
}
"""Messages by what the source of a task file marks as not verified."""
KIND_LABELS: Final = {"regression": N_("regression"), "same": N_("unchanged"), "gain": N_("gain")}

FINDING_LABELS: Final = {
    "hangul_share": N_("not Korean"),
    "speech_level_consistency": N_("another speech style"),
    "politeness": N_("plain speech"),
    "particle_accuracy": N_("wrong particle form"),
    "distinct_clauses": N_("repeated"),
}
"""By metric of a finding."""
FINDING_DETAILS: Final = {
    "hapsyo": N_("formal polite (-ㅂ니다)"),
    "haeyo": N_("polite (-요)"),
    "hae": N_("plain (-어)"),
    "haera": N_("plain (-다)"),
}
"""Speech levels; the detail of a wrong particle is the right form."""
BASELINE_GROUPS: Final = {
    "unseen_words": N_("words that training lacks"),
    "seen_words": N_("words of the training records"),
    "all": N_("all choice tasks"),
}
BASELINE_COLUMNS: Final = {
    **BASELINE_LABELS,
    "prompted": N_("best prompt of the base"),
    "calibrated": N_("best calibrated prompt"),
    "tuned": N_("tuned"),
}


def render_report(report_data: EvaluationReportData) -> str:
    """Return the report as one self-contained HTML page; its script only filters items."""
    axis, bars = build_task_bars(report_data.tasks)
    context = {
        "data": report_data,
        "script_sha256": base64.b64encode(hashlib.sha256((_TEMPLATES / "filter.js").read_bytes()).digest()).decode(),
        "verdict_labels": VERDICT_LABELS,
        "outcome_labels": OUTCOME_LABELS,
        "outcome_classes": OUTCOME_CLASSES,
        "language_labels": LANGUAGE_LABELS,
        "kind_labels": KIND_LABELS,
        "finding_labels": FINDING_LABELS,
        "finding_details": FINDING_DETAILS,
        "baseline_groups": BASELINE_GROUPS,
        "baseline_columns": BASELINE_COLUMNS,
        "unverified_labels": UNVERIFIED_LABELS,
        "summary_metrics": SUMMARY_METRICS,
        "percent": f"{100 * report_data.confidence:.4g}%",
        "bar_width": BAR_WIDTH,
        "task_width": TASK_WIDTH,
        "forests": build_forests(report_data.results),
        "panels": [build_panel(panel) for panel in report_data.panels],
        "task_axis": axis,
        "task_bars": bars,
        "tasks": sorted({change.task for change in report_data.changes.selection}),
        "item_languages": sorted({change.language for change in report_data.changes.selection}),
    }
    return _create_environment().get_template("report.html.j2").render(context)


def _describe_rule(result: Mapping[str, Any]) -> Message:
    return RULE_KINDS[result["test"]].describe_short(result["margin"])


def _get_task_difference(row: TaskRow) -> ScoreDifference:
    """Return the difference of a task with the sign of the scores."""
    assert row.difference is not None
    value, low, high = row.difference.value, row.difference.low, row.difference.high
    return turn_difference(value, low, high, is_turned=row.metric in LOWER_IS_BETTER)


def _get_change_difference(change: Change) -> float:
    """Return the difference of an item with the sign of the scores."""
    return -change.gain if change.metric in LOWER_IS_BETTER else change.gain


def _format_metric(value: float | None, metric: str) -> str:
    return "–" if value is None else format_metric(metric, value)


def _format_score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _format_shots(value: float) -> str:
    """Return a mean number of few-shot examples, without decimals where it is whole."""
    return f"{value:g}"


def _format_interval(value: ScoreDifference) -> str:
    """Return the ends of an interval with their signs."""
    if value.low is None or value.high is None:
        return "–"
    return f"[{_format_difference(value.low)}, {_format_difference(value.high)}]"


def _format_difference(value: float | None) -> str:
    """Return a difference with its sign; a zero has none."""
    if value is None:
        return "–"
    text = f"{abs(value):.3f}"
    return text if not float(text) else f"{'+' if value > 0 else '−'}{text}"


def _format_p_value(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


@cache
def _create_environment() -> Environment:
    env = create_environment(_TEMPLATES, autoescape=True)
    env.filters.update(
        score=_format_score,
        shots=_format_shots,
        interval=_format_interval,
        difference=_format_difference,
        p_value=_format_p_value,
        signed=format_signed,
        metric=_format_metric,
    )
    env.globals.update(describe_rule=_describe_rule, metric_label=get_label)
    env.globals.update(score_difference=read_score_difference, task_difference=_get_task_difference)
    env.globals.update(describe_calibration=describe_calibration)
    env.globals.update(change_difference=_get_change_difference, binary_metrics=BINARY_METRICS)
    return env
