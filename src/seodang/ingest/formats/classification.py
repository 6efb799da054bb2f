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
from seodang.ingest.formats.sample import Converter, RawRecord, Sample, get_nested
from seodang.ingest.rows import LABEL_UNKNOWN, TEXT_MISSING, get_field_error, make_field_error, shorten
from seodang.records import Language

_PLACEHOLDER: Final = re.compile(r"\{([^{}\n]+)\}")
_BOUND: Final = re.compile(r"(<=?)\s*(-?\d+(?:\.\d+)?)")
_HASH_CHARACTERS: Final = 1000  # characters of a cell that choose the wording
_SIMILARITY_CUTOFF: Final = 0.75  # difflib's ratio from which a brace is taken for a misspelt column


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


_Template = tuple["str | _Column", ...]


@dataclass(frozen=True, slots=True)
class _Labels:
    """The answers by label: for its exact text, else for a bound that its number keeps."""

    by_text: dict[str, _Template]
    bounds: tuple[tuple[str, float, _Template], ...]

    def find_answer(self, cell: object) -> _Template | None:
        """Return the answer of a cell; None when the label is unknown."""
        text = _format_cell(cell)
        if text is None:
            return None
        number = _parse_number(text)
        if (match := self.by_text.get(text) or self.by_text.get(text.lower())) or number is None:
            return match
        integer_match = self.by_text.get(str(int(number))) if number == int(number) else None
        return integer_match or next(
            (answer for sign, bound, answer in self.bounds if number < bound or (sign == "<=" and number == bound)),
            None,
        )


def build_table_converter(table: TableTemplate, names: Sequence[str], location: str) -> Converter:
    """Return what turns the rows of a table with these columns into samples.

    Raises:
        SourceError: If a column of the template is not in the table.

    """
    _check_columns(table, names, location)
    templates = [_parse_template(wording, names) for wording in table.instructions]
    input_template = _parse_template(table.input, names)
    labels = _parse_labels(table, names)
    visible_columns = list(
        dict.fromkeys(part.name for text in (input_template, *templates) for part in text if isinstance(part, _Column))
    )
    choices = _build_choices(labels)

    def convert(record: RawRecord) -> Iterable[Sample]:
        cells = {name: _format_cell(get_nested(record, name)) for name in visible_columns}
        template = templates[0] if len(templates) == 1 else templates[_select_template(cells, len(templates))]
        row_input: _Template = () if _get_column_names(template) & _get_column_names(input_template) else input_template
        label = get_nested(record, table.label_column)
        answer = labels.find_answer(label)
        output = (
            label
            if get_field_error(label)
            else _fill_template(answer, record)
            if answer
            else make_field_error(LABEL_UNKNOWN, label)
        )
        empty = next(
            (name for name in (*_get_column_names(template), *_get_column_names(row_input)) if cells[name] is None),
            None,
        )
        value = (
            _fill_template(row_input, record)
            if empty is None
            else make_field_error(TEXT_MISSING, get_nested(record, empty))
        )
        instruction = _fill_template(template, record) if empty is None else _format_template(template)
        return (Sample(instruction, output, value, choices=choices(record)),)

    return convert


def find_columns(table: TableTemplate, names: Sequence[str]) -> set[str]:
    """Return the columns, as the table's header has them, that a template uses."""
    texts = [table.input, *table.instructions, *table.labels.values(), f"{{{table.label_column}}}"]
    return {
        name if name in names else name.split(".")[0]
        for text in texts
        for name in _get_column_names(_parse_template(text, names))
    }


def find_bundled_table(names: Sequence[str], first: Sequence[RawRecord]) -> BundledTable | None:
    """Return the shipped template for a table with these columns and labels; None when there is none."""
    for each in load_bundled_tables():
        if all(_is_column(name, names) for name in each.columns):
            labels = _parse_labels(each.template, names)
            if any(labels.find_answer(get_nested(found, each.template.label_column)) for found in first):
                return each
    return None


@cache
def load_bundled_tables() -> tuple[BundledTable, ...]:
    """Return the shipped templates, those that need the most columns first."""
    folder = resources.files("seodang.ingest.formats").joinpath("tables")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    tables = [BundledTable.model_validate(yaml.safe_load(file.read_text("utf-8"))) for file in files]
    return tuple(sorted(tables, key=lambda table: -len(table.columns)))


def _check_columns(table: TableTemplate, names: Sequence[str], location: str) -> None:
    hint = f"its columns are {shorten(', '.join(names), 200)}; name one of these in params.yaml"
    if not _is_column(table.label_column, names):
        raise SourceError(f"{location} has no column for table.label_column {table.label_column!r}; {hint}")
    texts_by_parameter = {
        "table.input": [table.input],
        "table.instructions": table.instructions,
        "table.labels": list(table.labels.values()),
    }
    for parameter, texts in texts_by_parameter.items():
        for text in texts:
            for name in _PLACEHOLDER.findall(text):
                if not _is_column(name, names) and (
                    near := difflib.get_close_matches(name, names, 1, _SIMILARITY_CUTOFF)
                ):
                    raise SourceError(
                        f"{location} has no column for {parameter} {{{name}}} (is {near[0]} meant?); {hint}"
                    )
    for template in table.instructions:
        if not _get_column_names(_parse_template(template, names)) and not _get_column_names(
            _parse_template(table.input, names)
        ):
            text = table.input or template
            raise SourceError(
                f"{location} has no column for table.input {shorten(text)!r}: no row would say what it is about; {hint}"
            )


def _is_column(name: str, names: Sequence[str]) -> bool:
    return name in names or ("." in name and name.split(".")[0] in names)


def _parse_template(text: str, names: Sequence[str]) -> _Template:
    """Return a template cut at its places; a brace that names no column stays text."""
    parts: list[str | _Column] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        if _is_column(match[1], names):
            parts += [text[end : match.start()], _Column(match[1])]
            end = match.end()
    return tuple(part for part in (*parts, text[end:]) if part != "")


def _get_column_names(text: _Template) -> set[str]:
    return {part.name for part in text if isinstance(part, _Column)}


def _format_template(text: _Template) -> str:
    return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in text)


def _fill_template(text: _Template, record: RawRecord) -> Any:
    """Return the text with its cells; a fault when one is empty."""
    if len(text) == 1 and isinstance(text[0], str):
        return text[0]
    parts = []
    for part in text:
        cell = part if isinstance(part, str) else _format_cell(get_nested(record, part.name))
        if cell is None:
            return make_field_error(TEXT_MISSING, None)
        parts.append(cell)
    return "".join(parts)


def _format_cell(value: object) -> str | None:
    """Return a cell's text without surrounding blanks, a number as people write it; None for no text."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == value and abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None  # neither "nan" nor "inf", which float reads too


def _parse_labels(table: TableTemplate, names: Sequence[str]) -> _Labels:
    bounds = [
        (match, _parse_template(answer, names))
        for label, answer in table.labels.items()
        if (match := _BOUND.fullmatch(label))
    ]
    by_text = {
        label.strip(): _parse_template(answer, names)
        for label, answer in table.labels.items()
        if not _BOUND.fullmatch(label)
    }
    return _Labels(
        {label.lower(): answer for label, answer in by_text.items()} | by_text,
        tuple((match[1], float(match[2]), answer) for match, answer in bounds),
    )


def _build_choices(labels: _Labels) -> Callable[[RawRecord], list[str]]:
    """Return what gives the possible answers of a row; the same for all rows unless an answer is a column."""
    answers = list(dict.fromkeys([*labels.by_text.values(), *(answer for _, _, answer in labels.bounds)]))
    if not any(_get_column_names(answer) for answer in answers):
        texts = [_format_template(answer) for answer in answers]
        return lambda _: list(texts)
    return lambda found: list(
        dict.fromkeys(text for answer in answers if isinstance(text := _fill_template(answer, found), str))
    )


def _select_template(cells: dict[str, str | None], template_count: int) -> int:
    """Return the number of the wording that a row gets.

    It hangs on what is shown alone, not on the label: rows that ask the same get the same
    wording, and are found to be duplicates or to contradict each other.
    """
    text = "\x1f".join((cell or "")[:_HASH_CHARACTERS] for cell in cells.values())
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") % template_count
