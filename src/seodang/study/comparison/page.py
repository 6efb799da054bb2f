"""A comparison of experiments as one self-contained HTML page, which needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from seodang.gate.verdict import VERDICT_LABELS
from seodang.html import create_environment
from seodang.study.comparison.table import Comparison

_TEMPLATES: Final = Path(__file__).parent / "templates"


def render_page(comparison: Comparison) -> str:
    """Return the page in both languages; the environment escapes names and values."""
    environment = create_environment(_TEMPLATES, autoescape=True)
    return environment.get_template("comparison.html.j2").render(comparison=comparison, verdicts=VERDICT_LABELS)
