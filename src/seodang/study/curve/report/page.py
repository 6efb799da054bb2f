"""A learning curve as one self-contained HTML page. The environment escapes all texts of the data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from seodang.html import create_environment
from seodang.i18n import Message
from seodang.study.curve.report import texts
from seodang.study.curve.report.plot import HEIGHT, WIDTH, build_plot

_TEMPLATES: Final = Path(__file__).parent / "templates"


def render_html(report: Mapping[str, Any]) -> str:
    """Return the page in both languages."""
    groups = [
        {
            "title": texts.GROUPS[group],
            "tasks": ", ".join(tasks),
            "plot": build_plot(report, group),
            "trends": texts.describe_trends(report, group),
            "columns": texts.list_headings(report, group),
            "rows": texts.build_rows(report, group),
        }
        for group, tasks in report["groups"].items()
    ]
    return (
        create_environment(_TEMPLATES, autoescape=True)
        .get_template("curve.html.j2")
        .render(
            report=report,
            groups=groups,
            methods=texts.METHODS,
            headings=texts.HEADINGS,
            note=Message(texts.NOTE, {"confidence": report["study"]["confidence"]}),
            progress=texts.describe_progress(report),
            width=WIDTH,
            height=HEIGHT,
        )
    )
