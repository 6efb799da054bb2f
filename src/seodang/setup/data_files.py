"""Look at a data file: how it is read, which task it holds, and how long its texts are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from seodang.config import TableTemplate
from seodang.config.load import read_defaults
from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.fetch.files import LocalFile
from seodang.ingest.file_rows import iter_file_rows
from seodang.ingest.formats.column_guess import LABEL_FIELD, TEXT_FIELD, format_check_command, guess_columns
from seodang.ingest.readers.read import read_objects
from seodang.ingest.rows import Row, is_malformed
from seodang.ingest.source_entry import build_source_name, build_template_from_files

_PEEK_ROWS: Final = 20
_MAX_LABELS: Final = 20  # different answers of a task with labels
_MAX_LABEL_CHARACTERS: Final = 30


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file with its records, and how they are read."""

    file: LocalFile
    name: str  # of the source and of its task
    format: str  # auto | columns | table
    columns: dict[str, str] | None
    table: TableTemplate | None
    choices: list[str]  # answers of a task with labels that is no table; [] for free text
    rows: list[Row] = field(repr=False)
    objects: list[dict[str, Any]] = field(repr=False)  # as they are in the file; `source_row` of a row is the index

    @property
    def labels(self) -> list[str]:
        """The answers of a task with labels; [] for free text."""
        return sorted({choice for row in self.rows for choice in row["choices"]})

    def build_check_command(self, path: str) -> str:
        """Return the command that checks a file with the records of this one."""
        if self.table and self.table.label_column != "output":
            text = self.table.input.strip("{}")
            return format_check_command(path, {TEXT_FIELD: text, LABEL_FIELD: self.table.label_column})
        return format_check_command(path, self.columns or {}).rstrip()

    def build_entry(self, path: str, role: str) -> dict[str, Any]:
        """Return the source that reads the records of this file from a path."""
        name = self.name if role == "train" else f"{self.name}-test"
        entry: dict[str, Any] = {"name": name, "path": path, "task": self.name, "role": role}
        if self.format != "auto":
            entry["format"] = self.format
        if self.columns:
            entry["columns"] = self.columns
        if self.table:
            entry["table"] = self.table.model_dump()
        if self.choices:
            entry["choices"] = self.choices
        return entry


def read_data_file(file: LocalFile) -> DataFile:
    """Return the records of a file; columns with unknown names are guessed.

    Raises:
        SourceError: If the file cannot be read, or has no record.

    """
    objects = list(read_objects(file.path, file.location))
    name = build_source_name(file.location)
    format, columns, table = "auto", None, None
    try:
        rows = list(_iter_rows(file, name, format, columns, table))
    except SourceError:
        first = [record for record in islice(objects, _PEEK_ROWS) if not is_malformed(record)]
        guess = guess_columns(list(dict.fromkeys(key for record in first for key in record)), first)
        if not guess:
            raise
        if LABEL_FIELD in guess:
            format, table = "table", build_template_from_files([file], guess[TEXT_FIELD], guess[LABEL_FIELD])
        else:
            format, columns = "columns", guess
        rows = list(_iter_rows(file, name, format, columns, table))
    usable = _select_usable(rows)
    if choices := _find_choices(usable):
        usable = _select_usable(_iter_rows(file, name, format, columns, table, choices))
    if not usable:
        raise SourceError(_("{path} has no record with an instruction and an answer", path=file.location))
    return DataFile(file, name, format, columns, table, choices, usable, objects)


def _select_usable(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if all(isinstance(row[key], str) for key in ("instruction", "output"))]


def _find_choices(rows: Sequence[Row]) -> list[str]:
    """Return the answers if they are a few labels, so that they are scored by accuracy; [] for free text.

    The answer of a conversation is its last message. Preference pairs and rated answers are free text.
    """
    if any(row["choices"] or row["rejected"] or row["desirable"] is not None for row in rows):
        return []
    answers = {str(row["output"]).strip() for row in rows} - {""}
    is_closed = 2 <= len(answers) <= min(_MAX_LABELS, len(rows) // 5)
    return sorted(answers) if is_closed and max(map(len, answers)) <= _MAX_LABEL_CHARACTERS else []


def _iter_rows(
    file: LocalFile,
    name: str,
    format: str,
    columns: dict[str, str] | None,
    table: TableTemplate | None,
    choices: Sequence[str] = (),
) -> Iterator[Row]:
    return iter_file_rows(
        file.path,
        file.location,
        format=format,
        columns=columns,
        table=table,
        name=name,
        max_field_characters=read_defaults()["ingest"]["max_field_characters"],
        choices=choices,
    )


def build_local_file(path: Path, location: str) -> LocalFile:
    """Return a file of this machine under the name that messages use."""
    return LocalFile(path, location, None)
