"""One object that holds a table by column, as pandas writes it unless it is told otherwise."""

from __future__ import annotations

from seodang.ingest.rows import shorten


def find_column_orient_error(value: object) -> str:
    """Return what is wrong with an object that holds a table by column, and what to do; "" for any other value.

    By column means two keys at least, and under each the same number of texts or numbers: in a
    list, or in an object by their number: {"q": {"0": "x", "1": "y"}, "a": {"0": "u", "1": "v"}}.
    """
    if not isinstance(value, dict) or len(value) < 2:
        return ""
    counts = {_count_cells(column) for column in value.values()}
    if len(counts) > 1 or not next(iter(counts)):
        return ""
    keys = shorten(", ".join(map(str, value)), 200)
    return f'holds one object with all values of a column under its key ({keys}), expected a list of objects; turn it round, in pandas: df.to_json(path, orient="records")'


def _count_cells(column: object) -> int:
    """Return how many cells a column has; 0 when it is none."""
    if isinstance(column, dict):
        is_indexed = all(isinstance(key, str) and key.isdecimal() for key in column)
        column = list(column.values()) if is_indexed else []
    return (
        len(column)
        if isinstance(column, list) and all(cell is None or isinstance(cell, str | int | float) for cell in column)
        else 0
    )
