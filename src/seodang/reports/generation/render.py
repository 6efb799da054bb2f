"""The page of generated records as one HTML file. The environment escapes all texts of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seodang.html import create_environment
from seodang.i18n import N_
from seodang.reports.data_card import layout
from seodang.reports.data_card.redaction import format_head
from seodang.reports.generation.contents import Contents
from seodang.synthesis.reasons import describe_reason

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES: Final = Path(__file__).parent / "templates"
WIDTH: Final = 640
HEIGHT: Final = 200
_TOP: Final = 26
_BOTTOM: Final = 34
_NAMES: Final = {"ko": N_("Korean"), "en": N_("English")}
_START_LABELS: Final = {
    "self-instruct": N_("seed tasks"),
    "translate": N_("tasks before translation"),
    "answer": N_("prompts"),
    "preference": N_("prompts"),
    "rewrite": N_("quarantined rows"),
}
_CALL_LABELS: Final = {
    "asked": N_("calls asked"),
    "kept": N_("calls with a record"),
    "rejected": N_("calls without a record"),
    "failed": N_("calls without an answer"),
    "not_asked": N_("calls not asked"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a histogram in the units of the figure."""

    x: float
    y: float
    width: float
    height: float
    count: int
    low: float
    high: float


def build_bars(counts: Sequence[int]) -> list[Bar]:
    """Return the bars of a histogram from 0 to 1; the highest one fills the figure."""
    width, highest = WIDTH / max(1, len(counts)), max([*counts, 1])
    room = HEIGHT - _TOP - _BOTTOM
    return [
        Bar(
            x=round(index * width + 1, 2),
            y=round(HEIGHT - _BOTTOM - room * count / highest, 2),
            width=round(width - 2, 2),
            height=round(room * count / highest, 2),
            count=count,
            low=index / len(counts),
            high=(index + 1) / len(counts),
        )
        for index, count in enumerate(counts)
    ]


def render_page(contents: Contents) -> str:
    """Return the page in both languages; it needs no scripts, fonts or network access."""
    context = {
        "page": contents,
        "names": _NAMES,
        "start_label": _START_LABELS[contents.kind],
        "call_labels": _CALL_LABELS,
        "describe_reason": describe_reason,
        "bars": build_bars,
        "width": WIDTH,
        "height": HEIGHT,
        "top": _TOP,
        "bottom": _BOTTOM,
        "sunburst": layout.build_sunburst,
        "centre": layout.CENTRE,
    }
    return _create_environment().get_template("generation.html.j2").render(context)


@cache
def _create_environment() -> Environment:
    environment = create_environment(_TEMPLATES, autoescape=True)
    environment.filters["head"] = format_head
    return environment
