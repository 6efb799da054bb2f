"""A learning curve as Markdown tables in one language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seodang.html import escape_markdown
from seodang.i18n import Language, translate
from seodang.study.curve.report.texts import (
    GROUPS,
    HEADINGS,
    METHODS,
    NOTE,
    build_rows,
    describe_progress,
    describe_trends,
    list_headings,
)


def render_markdown(report: Mapping[str, Any], language: Language) -> str:
    """Return a table for each group of tasks, with trends and notes."""
    lines = [f"## {report['title'][language]}", ""]
    if (progress := describe_progress(report)) is not None:
        lines += [f"**{translate(language, progress)}**", ""]
    for group, tasks in report["groups"].items():
        columns = list_headings(report, group)
        names = ", ".join(map(escape_markdown, tasks))
        lines += [f"### {translate(language, GROUPS[group])}: {names}", ""]
        lines += ["| " + " | ".join(translate(language, HEADINGS[index]) for index in columns) + " |"]
        lines += ["|" + " --- |" * len(columns)]
        for row in build_rows(report, group):
            method = translate(language, METHODS[row.method]) + (f" ({row.detail})" if row.detail else "")
            lines.append("| " + " | ".join((method, *row.values)[index] for index in columns) + " |")
        lines += ["", *(f"- {translate(language, trend)}" for trend in describe_trends(report, group)), ""]
    lines += [translate(language, NOTE, confidence=report["study"]["confidence"]), ""]
    lines += [
        f"- {escape_markdown(note[language])}"
        for note in (*report["shortages"], *report["baseline_gaps"], *report["licences"])
    ]
    return "\n".join([*lines, ""])
