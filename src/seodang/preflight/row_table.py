"""The rows of each source as a table for a terminal or a log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from rich.console import Console
from rich.table import Table

from seodang.i18n import N_, _
from seodang.preflight.row_counts import SourceRows

_HEADINGS = {
    "source": N_("source"),
    "read": N_("read"),
    "quarantined": N_("rejected"),
    "too_long": N_("over max_length"),
    "duplicates": N_("duplicates"),
    "leaks": N_("leaks"),
    "mixed_out": N_("mix"),
    "held_out": N_("held out"),
    "learned": N_("learned"),
}
_WIDTH = 100  # columns


def format_rows(rows: Sequence[SourceRows]) -> list[str]:
    """Return the lines of the table: where the rows of each source went."""
    table = Table(box=None, pad_edge=False)
    for field in fields(SourceRows):
        is_name = field.name == "source"
        table.add_column(_(_HEADINGS[field.name]), justify="left" if is_name else "right", overflow="fold")
    for each in filter(lambda source: source.read, rows):
        table.add_row(each.source, *(f"{getattr(each, field.name):,}" for field in fields(SourceRows)[1:]))
    console = Console(width=_WIDTH, highlight=False, markup=False, emoji=False, no_color=True)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]
