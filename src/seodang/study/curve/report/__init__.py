"""The report of a learning curve: an HTML page in both languages, Markdown in each, and the numbers as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seodang.io.atomic import write_atomically
from seodang.io.jsonl import write_json
from seodang.study.curve.report.markdown import render_markdown
from seodang.study.curve.report.page import render_html

__all__ = ["write_curve_report"]


def write_curve_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Write curve.json, curve.md, curve.ko.md and index.html; the folder is created where it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "curve.json", dict(report))
    write_atomically(folder / "curve.md", [render_markdown(report, "en")])
    write_atomically(folder / "curve.ko.md", [render_markdown(report, "ko")])
    write_atomically(folder / "index.html", [render_html(report)])
