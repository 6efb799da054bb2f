"""`seodang compare [EXPERIMENT...]`: experiments side by side, by the metrics of the gate's rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from seodang.cli.terminal import mark, print_lines, print_table
from seodang.gate.verdict import VERDICT_LABELS
from seodang.i18n import _

if TYPE_CHECKING:
    from seodang.study.comparison.experiments import Experiment
    from seodang.study.comparison.table import Cell, Comparison, Row

_COLUMNS: Final = 4  # experiments of a table, so that it fits 100 columns
_NAME, _VALUE = 17, 17  # columns of an experiment's name and of a parameter's value


def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPERIMENT]...",
            help=_("Experiments, branches, tags or commits; by default HEAD, the workspace and all experiments."),
            show_default=False,
        ),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help=_("Write the comparison as an HTML page too."))
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=_("Print the comparison as one JSON object."))] = False,
) -> int:
    """Print the experiments side by side; differences are those to the first one with scores.

    Raises:
        RegistryError: If a name is unknown, or DVC cannot list the experiments; exit code 2.
    """
    from seodang.io.atomic import write_atomically
    from seodang.study.comparison.experiments import read_experiments
    from seodang.study.comparison.page import render_page
    from seodang.study.comparison.table import compare_experiments, serialize_comparison

    comparison = compare_experiments(read_experiments(Path.cwd(), names or []))
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(page, [render_page(comparison)])
    if as_json:
        print(json.dumps(serialize_comparison(comparison), ensure_ascii=False))
        return 0
    _print_comparison(comparison)
    if page is not None:
        print_lines(["", _("page: {file}", file=page)])
    return 0


def _print_comparison(comparison: Comparison) -> None:
    if comparison.reference is None:
        print_lines([_("no experiment has scores yet; run: seodang run, or dvc exp run")])
    others = [index for index, one in enumerate(comparison.experiments) if one is not comparison.reference]
    first = [index for index, one in enumerate(comparison.experiments) if one is comparison.reference]
    step = _COLUMNS - len(first)
    for start in range(0, max(1, len(others)), step):
        print_lines([""] if start else [])
        _print_part(comparison, first + others[start : start + step])
    if comparison.reference is not None and others:
        print_lines(
            ["", _("differences: to {name}; ! is worse", name=comparison.reference.name)]
            + [_("{name} was scored on other items, so it has no differences", name=name) for name in comparison.others]
        )


def _print_part(comparison: Comparison, indices: list[int]) -> None:
    """Print the table of some experiments."""
    experiments = [comparison.experiments[index] for index in indices]
    rows: list[list[str | Text]] = [[_("verdict"), *(_describe_verdict(one) for one in experiments)]]
    rows += [[row.label, *(_format_cell(row, row.cells[index]) for index in indices)] for row in comparison.rows]
    rows += [
        [name, *(_shorten(values[index], _VALUE) for index in indices)] for name, values in comparison.params.items()
    ]
    print_table(["", *(_shorten(one.name, _NAME) for one in experiments)], rows)


def _describe_verdict(one: Experiment) -> str:
    return _(VERDICT_LABELS[one.verdict]) if one.verdict else one.state or "-"


def _format_cell(row: Row, cell: Cell) -> str | Text:
    if cell.score is None:
        return "-"
    text = row.format_score(cell.score)
    if cell.difference is None:
        return text
    text = f"{text} {row.format_difference(cell.difference)}"
    return text if cell.better is None else mark(text if cell.better else f"{text} !", cell.better)


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 2]}.."
