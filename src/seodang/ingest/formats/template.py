"""Parse the templates of labelled tables, and fill them with the cells of a row.

Placeholders are filled in one pass, and cells are never parsed as templates: a review that contains "{label}" or
"{0.__class__}" stays text. Braces that name no column stay text, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.config import TableTemplate
from seodang.ingest.formats.sample import RawRecord, get_nested, unwrap_single
from seodang.ingest.rows import TEXT_MISSING, make_field_error

_PLACEHOLDER: Final = re.compile(r"\{([^{}\n]+)\}")
_BOUND: Final = re.compile(r"(<=?)\s*(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Column:
    """A placeholder of a template."""

    name: str


Template = tuple["str | Column", ...]


@dataclass(frozen=True, slots=True)
class Labels:
    """Answers by label: by the exact text of a cell, else by the first bound that its number satisfies."""

    by_text: dict[str, Template]
    bounds: tuple[tuple[str, float, Template], ...]

    def find_answer(self, cell: object) -> Template | None:
        """Return the answer of a cell, which may be a list of one label; None if the label is unknown."""
        text = format_cell(cell)
        if text is None:
            return None
        match = self._find_text(text)
        return match or self._find_text(format_cell(_parse_single(text)) or "")

    def _find_text(self, text: str) -> Template | None:
        number = _parse_number(text)
        if (match := self.by_text.get(text) or self.by_text.get(text.lower())) or number is None:
            return match
        integer_match = self.by_text.get(str(int(number))) if number == int(number) else None
        return integer_match or next(
            (answer for sign, bound, answer in self.bounds if number < bound or (sign == "<=" and number == bound)),
            None,
        )


def iter_placeholders(table: TableTemplate) -> Iterator[tuple[str, str]]:
    """Yield each placeholder of a template with the name of its parameter."""
    texts_by_parameter = {
        "table.input": [table.input],
        "table.instructions": table.instructions,
        "table.labels": list(table.labels.values()),
    }
    for parameter, texts in texts_by_parameter.items():
        for text in texts:
            for name in _PLACEHOLDER.findall(text):
                yield parameter, name


def is_column(name: str, names: Sequence[str]) -> bool:
    """Return whether a placeholder names a column, or a step into an object of a column."""
    return name in names or ("." in name and name.split(".")[0] in names)


def parse_template(text: str, names: Sequence[str]) -> Template:
    """Return a template split at its placeholders; a brace that names no column stays text."""
    parts: list[str | Column] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        if is_column(match[1], names):
            parts += [text[end : match.start()], Column(match[1])]
            end = match.end()
    return tuple(part for part in (*parts, text[end:]) if part != "")


def get_column_names(text: Template) -> set[str]:
    """Return the names of the columns that a template uses."""
    return {part.name for part in text if isinstance(part, Column)}


def format_template(text: Template) -> str:
    """Return a template as it is in params.yaml, with {name} for each column."""
    return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in text)


def fill_template(text: Template, record: RawRecord) -> Any:
    """Return the text with its placeholders filled; a field error if a cell is empty."""
    if len(text) == 1 and isinstance(text[0], str):
        return text[0]
    parts = []
    for part in text:
        cell = part if isinstance(part, str) else format_cell(get_nested(record, part.name))
        if cell is None:
            return make_field_error(TEXT_MISSING, None)
        parts.append(cell)
    return "".join(parts)


def format_cell(value: object) -> str | None:
    """Return the stripped text of a cell, a whole number without decimals; None if the cell has no text.

    A list of one label counts as the label.
    """
    value = unwrap_single(value)
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == value and abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def _parse_single(text: str) -> object:
    """Return the label in the JSON text of a list, as a table holds it: '["긍정"]'; any other text as it is."""
    try:
        return unwrap_single(json.loads(text)) if text.startswith("[") else text
    except (ValueError, RecursionError):
        return text.strip("[]").strip().strip("'\"")  # a list that Python printed


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None  # excludes "nan" and "inf", which float accepts


def parse_labels(table: TableTemplate, names: Sequence[str]) -> Labels:
    """Return the answers of a template by label."""
    bounds = [
        (match, parse_template(answer, names))
        for label, answer in table.labels.items()
        if (match := _BOUND.fullmatch(label))
    ]
    by_text = {
        label.strip(): parse_template(answer, names)
        for label, answer in table.labels.items()
        if not _BOUND.fullmatch(label)
    }
    return Labels(
        {label.lower(): answer for label, answer in by_text.items()} | by_text,
        tuple((match[1], float(match[2]), answer) for match, answer in bounds),
    )
