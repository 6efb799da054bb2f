"""Write a source for params.yaml: how a file is read, as an item of ingest.sources."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from seodang.config import TableTemplate
from seodang.errors import ParamsError
from seodang.i18n import _
from seodang.ingest.fetch.files import LocalFile
from seodang.ingest.formats.column_guess import LABEL_FIELD, MAX_LABELS, TEXT_FIELD, build_label_template
from seodang.ingest.formats.template import format_cell
from seodang.ingest.readers.read import read_objects

_UNSAFE: Final = re.compile(r"[^a-z0-9]+")
_DEFAULT_NAME: Final = "own"


def build_source_name(path: str) -> str:
    """Return a name for a source: the name of its file without suffixes, in letters that `name` may hold."""
    stem = Path(path.rstrip("/")).name.split(".", 1)[0]
    ascii_text = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return _UNSAFE.sub("-", ascii_text).strip("-") or _DEFAULT_NAME


def build_source_entry(
    path: str, format: str, columns: Mapping[str, str] | None, table: TableTemplate | None, **others: Any
) -> dict[str, Any]:
    """Return the item of ingest.sources that reads a path in this way; keys with default values are left out."""
    entry: dict[str, Any] = {"name": build_source_name(path), "path": path}
    if format != "auto":
        entry["format"] = format
    if columns:
        entry["columns"] = dict(columns)
    if table:
        entry["table"] = table.model_dump()
    return entry | others


def render_source_entry(entry: Mapping[str, Any], indent: int = 0) -> str:
    """Return the item as YAML; lists and the columns of a record stand on one line."""
    yaml = YAML()
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump([format_value(entry)], text)
    return "".join(f"{' ' * indent}{line}\n" for line in text.getvalue().splitlines())


def build_template_from_files(files: Iterable[LocalFile], text: str, label: str) -> TableTemplate:
    """Return the template of a labelled table, with all labels that its files hold.

    Raises:
        ParamsError: If a column is missing, or has more different values than labels would.
        SourceError: If a file cannot be read.

    """
    labels: dict[str, None] = {}
    sample: list[str] = []
    for file in files:
        for record in read_objects(file.path, file.location):
            _check_names(record, (text, label), file.location)
            if (value := format_cell(record.get(label))) is not None:
                labels[value] = None
            if len(sample) < MAX_LABELS:
                sample.append(str(record.get(text)))
            if len(labels) > MAX_LABELS:
                raise ParamsError(
                    _(
                        "{path}: column {column} has more than {limit} distinct values, so they are no labels; for"
                        " free answers write --column instruction={text} --column output={column}",
                        path=file.location,
                        column=label,
                        limit=MAX_LABELS,
                        text=text,
                    )
                )
    return build_label_template(text, label, sorted(labels), " ".join(sample))


def select_template_columns(columns: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the columns of text and label; None if other fields are named.

    Raises:
        ParamsError: If only one of the two is named, or other fields beside them.

    """
    if not {TEXT_FIELD, LABEL_FIELD} & columns.keys():
        return None
    if columns.keys() != {TEXT_FIELD, LABEL_FIELD}:
        raise ParamsError(_("--column: a labelled table has exactly the fields text and label"))
    return columns[TEXT_FIELD], columns[LABEL_FIELD]


def _check_names(record: Mapping[str, Any], names: Sequence[str], location: str) -> None:
    if len(record) > 1 and (missing := [name for name in names if name not in record]):
        raise ParamsError(
            _(
                "{path} has no column {missing}; its columns are {columns}",
                path=location,
                missing=", ".join(missing),
                columns=", ".join(map(str, record)),
            )
        )


def format_value(value: Any) -> Any:
    """Return a value for ruamel.yaml: lists, and mappings of texts only, stand on one line."""
    if isinstance(value, Mapping):
        formatted = CommentedMap({key: format_value(inner) for key, inner in value.items()})
        if all(isinstance(inner, str) for inner in value.values()):
            formatted.fa.set_flow_style()
        return formatted
    if isinstance(value, list):
        items = CommentedSeq(value)
        items.fa.set_flow_style()
        return items
    return value
