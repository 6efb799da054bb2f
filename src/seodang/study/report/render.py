"""A study as tables and as a page. Every text of the data is escaped by the environment, not by the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from seodang.html import create_environment
from seodang.study.results import Cell

Language = Literal["ko", "en"]
_TEMPLATES: Final = Path(__file__).parent / "templates"
GROUPS: Final = {
    "seen": {"ko": "배운 과제", "en": "seen task"},
    "unseen": {"ko": "배운 묶음의 새 과제", "en": "unseen task of a seen cluster"},
    "held_out": {"ko": "통째로 뺀 묶음", "en": "held-out cluster"},
}
METHODS: Final = {
    "zero_shot": {"ko": "예시 없는 프롬프트", "en": "zero-shot prompt"},
    "few_shot": {"ko": "예시 있는 프롬프트", "en": "few-shot prompt"},
    "single": {"ko": "한 과제 튜닝", "en": "single-task tuning"},
    "many": {"ko": "여러 과제 지시문 튜닝", "en": "instruction tuning"},
}
_HEADINGS: Final = {
    "ko": (
        "과제",
        "방법",
        "점수 [구간]",
        "가장 나은 프롬프트와의 차이 [구간]",
        "p (Holm)",
        "문항",
        "요청당 토큰",
        "학습 초",
    ),
    "en": (
        "tasks",
        "way",
        "score [interval]",
        "difference to the best prompt [interval]",
        "p (Holm)",
        "items",
        "tokens a request",
        "training s",
    ),
}
_NOTES: Final = {
    "ko": "베이스의 프롬프트는 비교하는 문항에서 가장 나은 것을 골랐으므로 베이스에 유리합니다. 구간은 {confidence:.0%} 짝지은 부트스트랩, 튜닝한 모델은 예시 없이 물었습니다.",
    "en": "The base's prompt is the best one on the very items that are compared, which favours the base. Intervals: {confidence:.0%}, paired bootstrap; tuned models are asked without exemplars.",
}


def render_markdown(report: Mapping[str, Any], cells: Sequence[Cell], language: Language) -> str:
    """Return the table with its title and notes in one language."""
    study = report["study"]
    lines = [f"## {report['title'][language]}", "", _format_groups(study, language), ""]
    lines += ["| " + " | ".join(_HEADINGS[language]) + " |", "|" + " --- |" * len(_HEADINGS[language])]
    lines += ["| " + " | ".join(_format_row(cell, report, language)) + " |" for cell in cells]
    return "\n".join([*lines, "", _NOTES[language].format(confidence=study["confidence"]), ""])


def _format_groups(study: Mapping[str, Any], language: Language) -> str:
    """Return which tasks stand in which group."""
    parts = (("seen", study["seen"]), ("unseen", study["unseen"]), ("held_out", study["held_out_clusters"]))
    return "; ".join(f"{GROUPS[group][language]}: {', '.join(names)}" for group, names in parts) + "."


def _format_row(cell: Cell, report: Mapping[str, Any], language: Language) -> list[str]:
    detail = cell.variant.partition("/")[2]
    seconds = report["training"].get(cell.method, {}).get("elapsed_seconds")
    return [
        GROUPS[cell.group][language],
        METHODS[cell.method][language] + (f" ({detail})" if detail else ""),
        f"{cell.score:.3f} [{cell.low:.3f}, {cell.high:.3f}]",
        format_difference(cell),
        "" if cell.p is None else "< 0.001" if cell.p < 0.001 else f"{cell.p:.3f}",
        str(cell.items),
        f"{cell.prompt_tokens:.0f}",
        "" if seconds is None else f"{seconds:.0f}",
    ]


def format_difference(cell: Cell) -> str:
    """Return the difference to the best prompt with its interval."""
    return (
        "–"
        if cell.difference is None
        else f"{cell.difference:+.3f} [{cell.difference_low:+.3f}, {cell.difference_high:+.3f}]"
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """One interval of the plot, in its units."""

    cell: Cell
    y: float
    low: float
    high: float
    middle: float


_LEFT, _WIDTH, _ROW_HEIGHT = 330.0, 560.0, 30.0


def build_bars(cells: Sequence[Cell]) -> list[Bar]:
    """Return where the intervals of a group are drawn, from 0 on the left to 1 on the right."""
    return [
        Bar(cell, 22 + _ROW_HEIGHT * place, *(_LEFT + _WIDTH * value for value in (cell.low, cell.high, cell.score)))
        for place, cell in enumerate(cells)
    ]


def render_html(report: Mapping[str, Any], cells: Sequence[Cell]) -> str:
    """Return the study as one HTML page that needs nothing else."""
    groups = [(name, [cell for cell in cells if cell.group == name]) for name in GROUPS]
    rows = [(cell, _format_row(cell, report, "ko"), _format_row(cell, report, "en")) for cell in cells]
    context = {
        "report": report,
        "groups": [(GROUPS[name], build_bars(found), 34 + _ROW_HEIGHT * len(found)) for name, found in groups if found],
        "ways": METHODS,
        "rows": rows,
        "headings": list(zip(_HEADINGS["ko"], _HEADINGS["en"], strict=True)),
        "notes": {language: note.format(confidence=report["study"]["confidence"]) for language, note in _NOTES.items()},
        "asked": {language: _format_groups(report["study"], language) for language in ("ko", "en")},
        "ticks": [(_LEFT + _WIDTH * tick / 10, f"{tick / 10:.1f}") for tick in range(0, 11, 2)],
        "left": _LEFT - 12,
        "width": _LEFT + _WIDTH + 90,
    }
    return create_environment(_TEMPLATES, autoescape=True).get_template("study.html.j2").render(context)
