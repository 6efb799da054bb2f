"""Convert labelled tables: a template turns a row of cells into an instruction with a closed set of answers."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

import yaml
from pydantic import Field

from seodang.config import TableTemplate
from seodang.config.section import Name, Section
from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.formats.sample import Converter, RawRecord, Sample, get_nested
from seodang.ingest.formats.template import (
    Column,
    Labels,
    Template,
    fill_template,
    format_cell,
    format_template,
    get_column_names,
    is_column,
    iter_placeholders,
    parse_labels,
    parse_template,
)
from seodang.ingest.rows import LABEL_UNKNOWN, TEXT_MISSING, get_field_error, make_field_error, shorten
from seodang.records import Language

_HASH_CHARACTERS: Final = 1000  # characters of a cell in the hash that selects the instruction template
_SIMILARITY_CUTOFF: Final = 0.75  # minimum difflib ratio of a placeholder and the column name that it misspells
_HINT_CHARACTERS: Final = 200  # characters of all columns in a message


class BundledTable(Section):
    """A template of the package, for tables with certain columns."""

    name: Name
    columns: Annotated[list[str], Field(min_length=2)]
    """A table that has all of these columns is read with this template."""
    task: str
    cluster: str
    language: Language
    template: TableTemplate


def build_table_converter(table: TableTemplate, names: Sequence[str], location: str) -> Converter:
    """Return the converter of the rows of a table with these columns.

    Raises:
        SourceError: If a column of the template is not in the table.

    """
    _check_columns(table, names, location)
    templates = [parse_template(text, names) for text in table.instructions]
    input_template = parse_template(table.input, names)
    labels = parse_labels(table, names)
    visible_columns = list(
        dict.fromkeys(part.name for text in (input_template, *templates) for part in text if isinstance(part, Column))
    )
    choices = _build_choices(labels)

    def convert(record: RawRecord) -> Iterable[Sample]:
        cells = {name: format_cell(get_nested(record, name)) for name in visible_columns}
        template = templates[0] if len(templates) == 1 else templates[_select_template(cells, len(templates))]
        row_input: Template = () if get_column_names(template) & get_column_names(input_template) else input_template
        output = _build_output(labels, get_nested(record, table.label_column), record)
        columns = (*get_column_names(template), *get_column_names(row_input))
        empty = next((name for name in columns if cells[name] is None), None)
        if empty is None:
            instruction, value = fill_template(template, record), fill_template(row_input, record)
        else:
            instruction = format_template(template)
            value = make_field_error(TEXT_MISSING, get_nested(record, empty))
        return (Sample(instruction, output, value, choices=choices(record)),)

    return convert


def _build_output(labels: Labels, label: Any, record: RawRecord) -> Any:
    """Return the answer of a label; a field error if the label is one or is unknown."""
    if get_field_error(label):
        return label
    answer = labels.find_answer(label)
    return fill_template(answer, record) if answer else make_field_error(LABEL_UNKNOWN, label)


def find_columns(table: TableTemplate, names: Sequence[str]) -> set[str]:
    """Return the columns of the table's header that a template uses."""
    texts = [table.input, *table.instructions, *table.labels.values(), f"{{{table.label_column}}}"]
    return {
        name if name in names else name.split(".")[0]
        for text in texts
        for name in get_column_names(parse_template(text, names))
    }


def find_bundled_table(names: Sequence[str], first: Sequence[RawRecord]) -> BundledTable | None:
    """Return the bundled template of a table with these columns and labels; None if there is none."""
    for table in load_bundled_tables():
        if all(is_column(name, names) for name in table.columns):
            labels = parse_labels(table.template, names)
            if any(labels.find_answer(get_nested(record, table.template.label_column)) for record in first):
                return table
    return None


@cache
def load_bundled_tables() -> tuple[BundledTable, ...]:
    """Return the bundled templates, sorted by falling number of columns."""
    folder = resources.files("seodang.ingest.formats").joinpath("tables")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    tables = [BundledTable.model_validate(yaml.safe_load(file.read_text("utf-8"))) for file in files]
    return tuple(sorted(tables, key=lambda table: -len(table.columns)))


def _check_columns(table: TableTemplate, names: Sequence[str], location: str) -> None:
    hint = _(
        "its columns are {columns}; name one of these in params.yaml",
        columns=shorten(", ".join(names), _HINT_CHARACTERS),
    )
    if not is_column(table.label_column, names):
        raise SourceError(
            _(
                "{path} has no column for table.label_column {column!r}; {hint}",
                path=location,
                column=table.label_column,
                hint=hint,
            )
        )
    for parameter, name in iter_placeholders(table):
        if not is_column(name, names) and (near := difflib.get_close_matches(name, names, 1, _SIMILARITY_CUTOFF)):
            raise SourceError(
                _(
                    "{path} has no column for {parameter} {{{name}}} (did you mean {near}?); {hint}",
                    path=location,
                    parameter=parameter,
                    name=name,
                    near=near[0],
                    hint=hint,
                )
            )
    if get_column_names(parse_template(table.input, names)):
        return
    for template in table.instructions:
        if not get_column_names(parse_template(template, names)):
            raise SourceError(
                _(
                    "{path} has no column for table.input {text!r}: all rows would have the same question; {hint}",
                    path=location,
                    text=shorten(table.input or template),
                    hint=hint,
                )
            )


def _build_choices(labels: Labels) -> Callable[[RawRecord], list[str]]:
    """Return a function that gives the possible answers of a row; they are constant unless an answer names a column."""
    answers = list(dict.fromkeys([*labels.by_text.values(), *(answer for _sign, _bound, answer in labels.bounds)]))
    if not any(get_column_names(answer) for answer in answers):
        texts = [format_template(answer) for answer in answers]
        return lambda _record: list(texts)
    return lambda record: list(
        dict.fromkeys(text for answer in answers if isinstance(text := fill_template(answer, record), str))
    )


def _select_template(cells: dict[str, str | None], template_count: int) -> int:
    """Return the number of the instruction template of a row.

    The number depends on the visible cells, not on the label. So rows with equal questions get equal instructions, and
    deduplication finds duplicates and contradictions among them.
    """
    text = "\x1f".join((cell or "")[:_HASH_CHARACTERS] for cell in cells.values())
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") % template_count
