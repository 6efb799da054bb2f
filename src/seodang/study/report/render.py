"""The report of a study as Markdown tables and as a page. The environment escapes all texts of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seodang.evaluation.aggregate import BASELINE_LABELS
from seodang.html import create_environment, escape_markdown
from seodang.i18n import N_, Language, Message, translate
from seodang.study.results import Cell

_TEMPLATES: Final = Path(__file__).parent / "templates"
GROUPS: Final = {
    "seen": N_("held-in task"),
    "unseen": N_("held-out task of a held-in cluster"),
    "held_out": N_("held-out cluster"),
}
METHODS: Final = {
    "zero_shot": N_("zero-shot prompt"),
    "few_shot": N_("few-shot prompt"),
    **BASELINE_LABELS,
    "single": N_("single-task tuning"),
    "many": N_("instruction tuning"),
}
_HEADINGS: Final = (
    N_("tasks"),
    N_("method"),
    N_("score [interval]"),
    N_("difference to the best prompt [interval]"),
    "p (Holm)",
    N_("items"),
    N_("tokens per request"),
    N_("training s"),
)
_NOTE: Final = N_(
    "The base's prompt is the best one on the compared items, which favours the base. Intervals: {confidence:.0%}, paired bootstrap. "
    "Tuned models get no few-shot examples. The letter n-grams are a logistic regression on TF-IDF of character n-grams, trained on "
    "the records of instruction tuning; a group of tasks has no baseline unless all of its tasks have one."
)


def render_markdown(report: Mapping[str, Any], cells: Sequence[Cell], language: Language) -> str:
    """Return the table with its title and notes in one language."""
    study = report["study"]
    headings = [translate(language, heading) for heading in _HEADINGS]
    lines = [f"## {report['title'][language]}", "", _format_groups(study, language), ""]
    lines += ["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings)]
    lines += ["| " + " | ".join(_format_markdown_row(cell, report, language)) + " |" for cell in cells]
    lines += ["", translate(language, _NOTE, confidence=study["confidence"])]
    if notes := (*report["baseline_gaps"], *report["licences"]):
        lines += ["", *(f"- {escape_markdown(note[language])}" for note in notes)]
    return "\n".join([*lines, ""])


def _format_groups(study: Mapping[str, Any], language: Language) -> str:
    """Return the tasks of each group."""
    names_by_group = {
        "seen": study["held_in_tasks"],
        "unseen": study["held_out_tasks"],
        "held_out": study["held_out_clusters"],
    }
    parts = [f"{translate(language, GROUPS[group])}: {', '.join(names)}" for group, names in names_by_group.items()]
    return "; ".join(parts) + "."


def _format_markdown_row(cell: Cell, report: Mapping[str, Any], language: Language) -> list[str]:
    detail = get_variant_detail(cell)
    return [
        translate(language, GROUPS[cell.group]),
        translate(language, METHODS[cell.method]) + (f" ({detail})" if detail else ""),
        *_format_values(cell, report),
    ]


def get_variant_detail(cell: Cell) -> str:
    """Return the part of the variant's name after the method: prompt format, number of examples, template."""
    return cell.variant.partition("/")[2]


def _format_values(cell: Cell, report: Mapping[str, Any]) -> list[str]:
    """Return the cells of a row after the tasks and the method."""
    seconds = report["training"].get(cell.method, {}).get("elapsed_seconds")
    return [
        f"{cell.score:.3f} [{cell.low:.3f}, {cell.high:.3f}]",
        format_difference(cell),
        "" if cell.p is None else "< 0.001" if cell.p < 0.001 else f"{cell.p:.3f}",
        str(cell.items),
        f"{cell.prompt_tokens:.0f}",
        "" if seconds is None else f"{seconds:.0f}",
    ]


def format_difference(cell: Cell) -> str:
    """Return the difference to the best prompt with its interval."""
    if cell.difference is None:
        return "–"
    return f"{cell.difference:+.3f} [{cell.difference_low:+.3f}, {cell.difference_high:+.3f}]"


@dataclass(frozen=True, slots=True)
class Bar:
    """One interval of the plot, in its units."""

    cell: Cell
    y: float
    low: float
    high: float
    middle: float


_LEFT, _WIDTH, _ROW_HEIGHT = 250.0, 640.0, 30.0


def build_bars(cells: Sequence[Cell]) -> list[Bar]:
    """Return the coordinates of a group's intervals; the axis goes from 0 on the left to 1 on the right."""
    return [
        Bar(cell, 22 + _ROW_HEIGHT * row, *(_LEFT + _WIDTH * value for value in (cell.low, cell.high, cell.score)))
        for row, cell in enumerate(cells)
    ]


def render_html(report: Mapping[str, Any], cells: Sequence[Cell]) -> str:
    """Return the study as one self-contained HTML page."""
    groups = {group: [cell for cell in cells if cell.group == group] for group in GROUPS}
    context = {
        "report": report,
        "groups": [
            (GROUPS[group], build_bars(group_cells), 34 + _ROW_HEIGHT * len(group_cells))
            for group, group_cells in groups.items()
            if group_cells
        ],
        "group_labels": GROUPS,
        "methods": METHODS,
        "rows": [(cell, get_variant_detail(cell), _format_values(cell, report)) for cell in cells],
        "headings": _HEADINGS,
        "note": Message(_NOTE, {"confidence": report["study"]["confidence"]}),
        "tasks": {language: _format_groups(report["study"], language) for language in ("en", "ko")},
        "ticks": [(_LEFT + _WIDTH * tick / 10, f"{tick / 10:.1f}") for tick in range(0, 11, 2)],
        "left": _LEFT - 12,
        "width": _LEFT + _WIDTH + 90,
    }
    return create_environment(_TEMPLATES, autoescape=True).get_template("study.html.j2").render(context)
