"""Reject a JSON object that holds a table by column, the default orientation of pandas."""

from __future__ import annotations

from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.rows import shorten


def reject_column_orient(value: object, location: str) -> None:
    """Raise a SourceError if the only object of a file holds a table by column.

    Such an object has at least two keys with the same number of texts or numbers, either in a list or in an object
    with their numbers as keys: {"q": {"0": "x", "1": "y"}, "a": {"0": "u", "1": "v"}}.
    """
    if not isinstance(value, dict) or len(value) < 2:
        return
    counts = {_count_cells(column) for column in value.values()}
    if len(counts) > 1 or not next(iter(counts)):
        return
    raise SourceError(
        _(
            "{path} holds one object with all values of a column under its key ({keys}), expected a list of objects;"
            ' write it by row, in pandas: df.to_json(path, orient="records")',
            path=location,
            keys=shorten(", ".join(map(str, value)), 200),
        )
    )


def _count_cells(column: object) -> int:
    """Return the number of cells of a column; 0 for any other value."""
    if isinstance(column, dict):
        is_indexed = all(isinstance(key, str) and key.isdecimal() for key in column)
        column = list(column.values()) if is_indexed else []
    return (
        len(column)
        if isinstance(column, list) and all(cell is None or isinstance(cell, str | int | float) for cell in column)
        else 0
    )
