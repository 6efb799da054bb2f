"""Columns of the rows of a task file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seodang.evaluation.tasks.spec import TaskSpec
from seodang.evaluation.tasks.templates import find_names


def find_required_names(spec: TaskSpec) -> frozenset[str]:
    """Return the columns that every row needs."""
    return frozenset().union(
        *map(find_names, (*spec.prompts.values(), spec.input, spec.answer, *spec.options.values()))
    )


def find_text_names(spec: TaskSpec) -> frozenset[str]:
    """Return the columns with the text that an item asks about: of the input, else of all prompts."""
    templates = [spec.input] if spec.input else [*spec.prompts.values()]
    return frozenset().union(*map(find_names, [*templates, spec.answer] if spec.kind == "perplexity" else templates))


def map_columns(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a row by the names that `data.columns` gives to its columns."""
    return {name: value for name, column in columns.items() if (value := _get_value(row, column)) is not None}


def _get_value(row: Mapping[str, Any], column: str) -> Any:
    """Return the value of a column; a dot in its name steps into an object, unless the row has that very name."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def format_column(name: str, columns: Mapping[str, str]) -> str:
    """Return the name of a column in the file, and its name in the templates where that differs."""
    column = columns.get(name, name)
    return name if column == name else f"{column} ({name})"


def is_blank(value: object) -> bool:
    """Return whether a row has no value, or a text without visible characters."""
    return value is None or (isinstance(value, str) and not value.strip())
