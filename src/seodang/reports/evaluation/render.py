"""The evaluation report as a page. Every text of the data is escaped by the environment, not by the templates."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seodang.html import create_environment
from seodang.reports.evaluation.charts import (
    BAR_WIDTH,
    TASK_WIDTH,
    build_forests,
    build_panel,
    build_task_bars,
    format_signed,
)
from seodang.reports.evaluation.comparison import Estimate
from seodang.reports.evaluation.report_data import EvaluationReportData

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES: Final = Path(__file__).parent / "templates"
VERDICTS: Final = {
    "promote": ("승격", "promote"),
    "reject": ("거절", "reject"),
    "inconclusive": ("판단 불가", "inconclusive"),
}
OUTCOMES: Final = {
    True: ("met", "충족", "met"),
    False: ("unmet", "미달", "not met"),
    None: ("open", "판단 불가", "not told"),
}
LANGUAGES: Final = {"ko": ("한국어", "Korean"), "en": ("영어", "English")}
METRICS: Final = {
    "accuracy": ("정확도", "accuracy"),
    "accuracy_norm": ("정확도(길이로 나눔)", "accuracy by length"),
    "exact_match": ("일치", "exact match"),
    "chrf": ("chrF", "chrF"),
    "loss": ("손실", "loss"),
    "eos_rate": ("스스로 끝맺음", "eos_rate"),
    "macro_f1": ("매크로 F1", "macro F1"),
    "spearman": ("스피어만 상관", "Spearman correlation"),
    "bits_per_byte": ("바이트당 비트", "bits per byte"),
    "perplexity": ("퍼플렉서티", "perplexity"),
    "rouge_l": ("ROUGE-L", "ROUGE-L"),
    "length_ratio": ("길이 비율", "length ratio"),
    "same_language": ("질문의 언어로 답함", "answers in the language of the question"),
    "repetition": ("되풀이", "repetition"),
    "ifeval_prompt_strict": ("IFEval 프롬프트, 엄격", "IFEval prompts, strict"),
    "ifeval_prompt_loose": ("IFEval 프롬프트, 느슨", "IFEval prompts, loose"),
    "ifeval_instruction_strict": ("IFEval 지시, 엄격", "IFEval instructions, strict"),
    "ifeval_instruction_loose": ("IFEval 지시, 느슨", "IFEval instructions, loose"),
}
KINDS: Final = {"regression": ("나빠짐", "regression"), "same": ("그대로", "same"), "gain": ("좋아짐", "gain")}


def render_report(report_data: EvaluationReportData) -> str:
    """Return the report as one HTML page that needs nothing else: no font, no network; its script only filters what is there."""
    axis, bars = build_task_bars(report_data.tasks)
    context = {
        "facts": report_data,
        "script_sha256": base64.b64encode(hashlib.sha256((_TEMPLATES / "filter.js").read_bytes()).digest()).decode(),
        "verdicts": VERDICTS,
        "outcomes": OUTCOMES,
        "metrics": METRICS,
        "languages": LANGUAGES,
        "kinds": KINDS,
        "bar_width": BAR_WIDTH,
        "task_width": TASK_WIDTH,
        "forests": build_forests(report_data.results),
        "panels": [build_panel(drawn) for drawn in report_data.panels],
        "task_axis": axis,
        "task_bars": bars,
        "tasks": sorted({change.task for change in report_data.changes.selection}),
        "item_languages": sorted({change.language for change in report_data.changes.selection}),
    }
    return _create_environment().get_template("report.html.j2").render(context)


def _format_score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _format_interval(value: Estimate | None) -> str:
    """Return the ends of an interval."""
    return (
        "–"
        if value is None or value.low is None or value.high is None
        else f"[{_format_difference(value.low)}, {_format_difference(value.high)}]"
    )


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
        interval=_format_interval,
        difference=_format_difference,
        p_value=_format_p_value,
        signed=format_signed,
    )
    return env
