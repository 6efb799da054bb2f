"""Labelled tables: a template turns a row of cells into an instruction with a closed set of answers.

Cells are put into the template's places in one pass and never read as a template themselves: a
review that says "{label}" or "{0.__class__}" is a review. A brace that names no column is a letter.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

import yaml
from pydantic import Field

from seodang.config import TableTemplate
from seodang.config.section import Name, Section
from seodang.errors import SourceError
from seodang.ingest.formats.sample import Convert, Found, Sample, stepped
from seodang.ingest.rows import LABEL_UNKNOWN, TEXT_MISSING, fault, fault_of, shown
from seodang.records import Language

_PLACE: Final = re.compile(r"\{([^{}\n]+)\}")
_BOUND: Final = re.compile(r"(<=?)\s*(-?\d+(?:\.\d+)?)")
_HASHED: Final = 1000  # characters of a cell that choose the wording
_ALIKE: Final = 0.75  # difflib's ratio from which a brace is taken for a misspelt column


class BundledTable(Section):
    """A template that is shipped, for tables with certain columns."""

    name: Name
    columns: Annotated[list[str], Field(min_length=2)]
    """A table that has all of these is read by this template."""
    task: str
    cluster: str
    language: Language
    template: TableTemplate


@dataclass(frozen=True, slots=True)
class _Column:
    name: str


_Text = tuple["str | _Column", ...]


@dataclass(frozen=True, slots=True)
class _Labels:
    """The answers by label: for its exact text, else for a bound that its number keeps."""

    exact: dict[str, _Text]
    bounds: tuple[tuple[str, float, _Text], ...]

    def answer(self, cell: object) -> _Text | None:
        """Return the answer of a cell; None when the label is unknown."""
        text = _cell(cell)
        if text is None:
            return None
        number = _number(text)
        if (known := self.exact.get(text) or self.exact.get(text.lower())) or number is None:
            return known
        whole = self.exact.get(str(int(number))) if number == int(number) else None
        return whole or next(
            (answer for sign, bound, answer in self.bounds if number < bound or (sign == "<=" and number == bound)),
            None,
        )


def labelled(table: TableTemplate, names: Sequence[str], place: str) -> Convert:
    """Return what turns the rows of a table with these columns into samples.

    Raises:
        SourceError: If a column of the template is not in the table.

    """
    _check(table, names, place)
    wordings = [_parsed(wording, names) for wording in table.instructions]
    asked_about = _parsed(table.input, names)
    labels = _labels(table, names)
    shown_columns = list(
        dict.fromkeys(part.name for text in (asked_about, *wordings) for part in text if isinstance(part, _Column))
    )
    choices = _choices(labels)

    def convert(found: Found) -> Iterable[Sample]:
        cells = {name: _cell(stepped(found, name)) for name in shown_columns}
        wording = wordings[0] if len(wordings) == 1 else wordings[_turn(cells, len(wordings))]
        about: _Text = () if _columns(wording) & _columns(asked_about) else asked_about
        label = stepped(found, table.label_column)
        answer = labels.answer(label)
        output = label if fault_of(label) else _filled(answer, found) if answer else fault(LABEL_UNKNOWN, label)
        empty = next((name for name in (*_columns(wording), *_columns(about)) if cells[name] is None), None)
        value = _filled(about, found) if empty is None else fault(TEXT_MISSING, stepped(found, empty))
        instruction = _filled(wording, found) if empty is None else _raw(wording)
        return (Sample(instruction, output, value, choices=choices(found)),)

    return convert


def columns_of(table: TableTemplate, names: Sequence[str]) -> set[str]:
    """Return the columns, as the table's header has them, that a template uses."""
    texts = [table.input, *table.instructions, *table.labels.values(), f"{{{table.label_column}}}"]
    return {name if name in names else name.split(".")[0] for text in texts for name in _columns(_parsed(text, names))}


def bundled_for(names: Sequence[str], first: Sequence[Found]) -> BundledTable | None:
    """Return the shipped template for a table with these columns and labels; None when there is none."""
    for each in bundled_tables():
        if all(_is_column(name, names) for name in each.columns):
            labels = _labels(each.template, names)
            if any(labels.answer(stepped(found, each.template.label_column)) for found in first):
                return each
    return None


@cache
def bundled_tables() -> tuple[BundledTable, ...]:
    """Return the shipped templates, those that need the most columns first."""
    folder = resources.files("seodang.ingest.formats").joinpath("tables")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    tables = [BundledTable.model_validate(yaml.safe_load(file.read_text("utf-8"))) for file in files]
    return tuple(sorted(tables, key=lambda table: -len(table.columns)))


def _check(table: TableTemplate, names: Sequence[str], place: str) -> None:
    has = f"its columns are {shown(', '.join(names), 200)}; name one of these in params.yaml"
    if not _is_column(table.label_column, names):
        raise SourceError(f"{place} has no column for table.label_column {table.label_column!r}; {has}")
    places = {
        "table.input": [table.input],
        "table.instructions": table.instructions,
        "table.labels": list(table.labels.values()),
    }
    for parameter, texts in places.items():
        for text in texts:
            for name in _PLACE.findall(text):
                if not _is_column(name, names) and (near := difflib.get_close_matches(name, names, 1, _ALIKE)):
                    raise SourceError(f"{place} has no column for {parameter} {{{name}}} (is {near[0]} meant?); {has}")
    for wording in table.instructions:
        if not _columns(_parsed(wording, names)) and not _columns(_parsed(table.input, names)):
            text = table.input or wording
            raise SourceError(
                f"{place} has no column for table.input {shown(text)!r}: no row would say what it is about; {has}"
            )


def _is_column(name: str, names: Sequence[str]) -> bool:
    return name in names or ("." in name and name.split(".")[0] in names)


def _parsed(text: str, names: Sequence[str]) -> _Text:
    """Return a template cut at its places; a brace that names no column stays text."""
    parts: list[str | _Column] = []
    end = 0
    for match in _PLACE.finditer(text):
        if _is_column(match[1], names):
            parts += [text[end : match.start()], _Column(match[1])]
            end = match.end()
    return tuple(part for part in (*parts, text[end:]) if part != "")


def _columns(text: _Text) -> set[str]:
    return {part.name for part in text if isinstance(part, _Column)}


def _raw(text: _Text) -> str:
    return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in text)


def _filled(text: _Text, found: Found) -> Any:
    """Return the text with its cells; a fault when one is empty."""
    if len(text) == 1 and isinstance(text[0], str):
        return text[0]
    parts = []
    for part in text:
        cell = part if isinstance(part, str) else _cell(stepped(found, part.name))
        if cell is None:
            return fault(TEXT_MISSING, None)
        parts.append(cell)
    return "".join(parts)


def _cell(value: object) -> str | None:
    """Return a cell's text without surrounding blanks, a number as people write it; None for no text."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == value and abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None  # neither "nan" nor "inf", which float reads too


def _labels(table: TableTemplate, names: Sequence[str]) -> _Labels:
    bounds = [
        (match, _parsed(answer, names)) for label, answer in table.labels.items() if (match := _BOUND.fullmatch(label))
    ]
    exact = {
        label.strip(): _parsed(answer, names) for label, answer in table.labels.items() if not _BOUND.fullmatch(label)
    }
    return _Labels(
        {label.lower(): answer for label, answer in exact.items()} | exact,
        tuple((match[1], float(match[2]), answer) for match, answer in bounds),
    )


def _choices(labels: _Labels) -> Callable[[Found], list[str]]:
    """Return what gives the possible answers of a row; the same for all rows unless an answer is a column."""
    answers = list(dict.fromkeys([*labels.exact.values(), *(answer for _, _, answer in labels.bounds)]))
    if not any(_columns(answer) for answer in answers):
        fixed = [_raw(answer) for answer in answers]
        return lambda _: list(fixed)
    return lambda found: list(
        dict.fromkeys(text for answer in answers if isinstance(text := _filled(answer, found), str))
    )


def _turn(cells: dict[str, str | None], wordings: int) -> int:
    """Return the number of the wording that a row gets.

    It hangs on what is shown alone, not on the label: rows that ask the same get the same
    wording, and are found to be duplicates or to contradict each other.
    """
    text = "\x1f".join((cell or "")[:_HASHED] for cell in cells.values())
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") % wordings
