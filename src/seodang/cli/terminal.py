"""Output for a terminal: tables that fit 100 columns, no colours when piped, one language."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH: Final = 100
_COLUMN_GAP: Final = 2
_STYLES: Final = {True: "green", False: "red", None: "yellow"}


class _Console(Console):
    """A console that lets `main` decide what a broken pipe means; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        """Raise the error again."""
        raise


def create_console() -> Console:
    """Return a console on stdout: at most 100 columns, no highlighting of values, no markup in texts."""
    console = _Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    return _Console(
        file=sys.stdout,
        highlight=False,
        markup=False,
        emoji=False,
        width=min(console.width, WIDTH) if console.is_terminal else WIDTH,
    )


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they are; a long one is not broken, so that a command in it can be copied."""
    console = create_console()
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    right: Sequence[int] = (),
    title: str = "",
) -> None:
    """Print a table without frames; a cell that is too wide is wrapped.

    Args:
        headings: Of the columns; without any text no heading is printed.
        rows: Cells, as many as headings.
        right: Indices of the columns that are aligned to the right.
        title: Printed above.
    """
    table = Table(box=None, pad_edge=False, show_header=any(headings), title=title or None, title_justify="left")
    for index, heading in enumerate(headings):
        is_number = index in right
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = create_console()
    with console.capture() as captured:
        console.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def fits_table(headings: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> bool:
    """Return whether a table has a line for each row, without a cell that is wrapped."""
    widths = [max(cell_len(str(cell)) for cell in column) for column in zip(headings, *rows, strict=True)]
    return sum(widths) + _COLUMN_GAP * (len(widths) - 1) <= create_console().width


def mark(text: str, passed: bool | None) -> Text:
    """Return a text in the colour of met (green), not met (red) or undecided (yellow)."""
    return Text(text, style=_STYLES[passed])
