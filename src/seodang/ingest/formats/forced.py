"""Build the readers of formats that params.yaml forces, and of question/answer tables."""

from __future__ import annotations

from collections.abc import Sequence

from seodang.config import TableTemplate
from seodang.config.record_formats import COLUMNS, QA, TABLE
from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.formats import classification, instruction
from seodang.ingest.formats.advice import find_missing_qa_columns, format_names, join_keys, join_names
from seodang.ingest.formats.registry import FORMAT_SPECS, RecordReader
from seodang.ingest.formats.sample import SYSTEM_KEYS, RawRecord, get_nested


def build_forced_reader(
    names: Sequence[str],
    first: Sequence[RawRecord],
    *,
    format: str,
    columns: dict[str, str] | None,
    table: TableTemplate | None,
    location: str,
) -> RecordReader:
    """Return the reader of a forced format; the arguments are those of detect_reader.

    Raises:
        SourceError: If the file lacks keys of the format.

    """
    if format == COLUMNS.name:
        return _build_columns_reader(names, first, columns or {}, location)
    if format == TABLE.name:
        return _build_table_reader(names, table, location)
    if format == QA.name:
        if qa_reader := build_qa_reader(names, names):
            return qa_reader
        missing = find_missing_qa_columns(names)
    else:
        specs = [spec for spec in FORMAT_SPECS if spec.format.name == format]
        if spec := next((spec for spec in specs if not spec.find_missing_keys(names)), None):
            return spec.build_reader(names)
        missing = min((spec.find_missing_keys(names) for spec in specs), key=len)
    raise SourceError(
        _(
            "{path} is not of format {format}: it lacks {missing}; found the keys {keys}; correct format in params.yaml,"
            " or set it to auto",
            path=location,
            format=format,
            missing=join_keys(missing),
            keys=format_names(names),
        )
    )


def build_qa_reader(names: Sequence[str], context_names: Sequence[str]) -> RecordReader | None:
    """Return the reader of a table of questions and answers; None if it has no such columns.

    Args:
        names: Keys of the table.
        context_names: Keys that may hold the context, even if the first records lack it.

    """
    question = instruction.find_column(names, instruction.QUESTIONS)
    answer = instruction.find_column(names, instruction.ANSWERS)
    if not question or not answer:
        return None
    contexts = instruction.find_columns(list(dict.fromkeys([*names, *context_names])), instruction.CONTEXTS)
    used = frozenset({question, *contexts, answer, *SYSTEM_KEYS, "history", "url", "task"})
    return RecordReader(
        QA.name,
        instruction.build_qa_converter(question, contexts, answer),
        used,
        required_keys=((question,), (answer,)),
        format=QA,
    )


def _build_table_reader(names: Sequence[str], table: TableTemplate | None, location: str) -> RecordReader:
    if table is None:
        raise SourceError(
            _(
                "{path}: format table needs a template that converts a row of cells into an instruction"
                " (docs/data-formats.md)",
                path=location,
            )
        )
    convert = classification.build_table_converter(table, names, location)
    return RecordReader(TABLE.name, convert, frozenset(classification.find_columns(table, names)), format=TABLE)


def _build_columns_reader(
    names: Sequence[str], first: Sequence[RawRecord], columns: dict[str, str], location: str
) -> RecordReader:
    if "instruction" not in columns:
        raise SourceError(
            _(
                "{path}: format columns needs the key of the instruction; found the keys {keys}; name it, such as"
                " instruction: {example}",
                path=location,
                keys=format_names(names),
                example=names[0] if names else "question",
            )
        )
    missing = [
        f"columns.{field} {key!r}"
        for field, key in columns.items()
        if key not in names and all(get_nested(record, key) is None for record in first)
    ]
    if missing:
        raise SourceError(
            _(
                "{path} has no key for {missing}; found the keys {keys}; name some of these in params.yaml",
                path=location,
                missing=join_names(missing),
                keys=format_names(names),
            )
        )
    used = {key if key in names else key.split(".")[0] for key in columns.values()}
    return RecordReader(COLUMNS.name, instruction.build_columns_converter(columns), frozenset(used), format=COLUMNS)
