"""The report of a study: Markdown in each language, one HTML page in both, and the numbers as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seodang.io.atomic import write_atomically
from seodang.io.jsonl import write_json
from seodang.study.report.render import render_html, render_markdown
from seodang.study.results import Cell

__all__ = ["write_study_report"]


def write_study_report(folder: Path, report: Mapping[str, Any], cells: Sequence[Cell]) -> None:
    """Write study.json, study.md, study.ko.md and index.html.

    Args:
        folder: Created where it does not exist.
        report: Title, settings, and a summary of each training.
        cells: Results of each method on each group of tasks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "study.json", {**report, "cells": [asdict(cell) for cell in cells]})
    write_atomically(folder / "study.md", [render_markdown(report, cells, "en")])
    write_atomically(folder / "study.ko.md", [render_markdown(report, cells, "ko")])
    write_atomically(folder / "index.html", [render_html(report, cells)])
