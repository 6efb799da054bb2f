"""Convert one file into rows: detect the format by its first records, then read its objects one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from seodang.config import Format, TableTemplate
from seodang.config.record_formats import TABLE
from seodang.ingest.formats.detect import detect_reader, select_reader
from seodang.ingest.formats.exports import unpack_export
from seodang.ingest.formats.llama_factory import ColumnMapping, find_column_mapping
from seodang.ingest.formats.mark_findings import Marks
from seodang.ingest.formats.mark_ratings import Scales, find_scales
from seodang.ingest.formats.record_marks import find_marks
from seodang.ingest.formats.registry import RecordReader
from seodang.ingest.formats.rows import Origin, build_row, convert_malformed, get_original
from seodang.ingest.formats.sample import find_system_key
from seodang.ingest.provenance import PROVENANCE_KEY, read_provenance
from seodang.ingest.readers.file_details import FileDetails
from seodang.ingest.readers.read import read_objects
from seodang.ingest.rows import ROW_RAGGED, Row, get_field_error, is_malformed
from seodang.ingest.tally import Tally

_PEEK_RECORDS = 20  # readable records whose majority decides the format
_MAX_UNREADABLE = 1000  # unreadable rows at the start of a file, after which the search for readable ones stops

JsonObject = dict[str, Any]


def iter_file_rows(
    path: Path,
    location: str,
    *,
    format: Format,
    columns: dict[str, str] | None,
    table: TableTemplate | None,
    name: str,
    max_field_characters: int,
    choices: Sequence[str] = (),
    is_held_out: bool = False,
    tally: Tally | None = None,
) -> Iterator[Row]:
    """Yield the rows of one file, without a params.yaml.

    Args:
        path: The file.
        location: Name of the file in rows and messages.
        format: As in SourceParams, like columns and table.
        columns: Keys of the file by field of the record.
        table: Template of a labelled table.
        name: Name of the source in the rows; also the task of records without one.
        max_field_characters: Longer fields are truncated.
        choices: Answers of a classification task in a format without labels.
        is_held_out: Whether the file is a test or validation split; its rows then have the role test.
        tally: Counts that the rows update.

    Raises:
        SourceError: If the file cannot be used. An empty file yields no row.

    """
    origin = Origin(name, "any", max_field_characters, location, choices=tuple(choices), is_held_out=is_held_out)
    yield from iter_rows_of_origin(path, origin, tally or Tally(), format=format, columns=columns, table=table)


def iter_rows_of_origin(
    path: Path,
    origin: Origin,
    tally: Tally,
    *,
    format: Format,
    columns: dict[str, str] | None,
    table: TableTemplate | None,
) -> Iterator[Row]:
    """Yield the rows of one file; `source_row` is the number of the object in the file."""
    mapping = find_column_mapping(path) if format == "auto" else None
    source_objects = read_objects(path, origin.file, tally.details.setdefault(origin.file, FileDetails()))
    if not (first_objects := _peek(source_objects)):
        return
    readable = [
        record
        for item in first_objects
        if not is_malformed(item)
        for record in _unpack(item, mapping, is_auto=format == "auto")
    ]
    reader = _detect_reader(readable, origin.file, format, columns, table)
    tally.add_format(reader.name)
    is_table = reader.format is None or reader.format is TABLE  # its ratings belong to the texts, not to the answers
    scales = Scales() if is_table else find_scales(readable)
    origin = replace(
        origin,
        format=reader.name,
        default_task=reader.task,
        default_cluster=reader.cluster,
        default_language=reader.language,
    )
    objects = chain(first_objects, source_objects)
    del first_objects, readable  # frees the first records, which may be large
    for number, record in enumerate(objects):
        if malformed_row := convert_malformed(record, origin, number):
            yield malformed_row
            continue
        original = get_original(record, origin.limit)
        for inner in _unpack(record, mapping, is_auto=format == "auto"):
            record_reader = select_reader(inner, reader) if format == "auto" else reader
            tally.add_format(record_reader.name)
            record_origin = origin if record_reader is reader else replace(origin, format=record_reader.name)
            read_keys = set(record_reader.used_keys)
            for sample in record_reader.convert(inner):
                marks = find_marks(inner, record_reader.used_keys, sample, scales) if original else Marks()
                read_keys |= marks.read_keys
                if sample.system and (system_key := find_system_key(inner)):
                    read_keys.add(system_key)
                yield build_row(sample, record_origin, number, original, marks)
            if provenance := read_provenance(inner):
                tally.generated.add(provenance)
                read_keys.add(PROVENANCE_KEY)
            tally.ignored_keys.add_record(inner, read_keys)


def _detect_reader(
    readable: Sequence[Mapping[str, Any]],
    location: str,
    format: Format,
    columns: dict[str, str] | None,
    table: TableTemplate | None,
) -> RecordReader:
    names = list(dict.fromkeys(name for record in readable for name in record))
    complete = [record for record in readable if not _is_ragged(record)]
    return detect_reader(names, complete, format=format, columns=columns, table=table, location=location)


def _unpack(record: JsonObject, mapping: ColumnMapping | None, *, is_auto: bool) -> Sequence[Mapping[str, Any]]:
    """Return the records in one object of a file: with the keys of LLaMA-Factory's description, or of an export."""
    if not is_auto or _is_ragged(record):
        return (record,)
    return (mapping.rename(record),) if mapping else unpack_export(record)


def _peek(objects: Iterator[JsonObject]) -> list[JsonObject]:
    """Return the first objects up to 20 readable or 1,000 unreadable ones."""
    first: list[JsonObject] = []
    readable = 0
    for record in objects:
        first.append(record)
        readable += not is_malformed(record)
        if readable == _PEEK_RECORDS or len(first) - readable == _MAX_UNREADABLE:
            break
    return first


def _is_ragged(record: Mapping[str, Any]) -> bool:
    return get_field_error(next(iter(record.values()), None)) == ROW_RAGGED
