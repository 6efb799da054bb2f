"""Turn each source in params.yaml into rows: its files, their formats, and the sample that is taken of them."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from seodang.config import Format, IngestParams, SourceParams, TableTemplate
from seodang.errors import SourceError
from seodang.ingest.fetch.files import LocalFile
from seodang.ingest.fetch.locate import local_files
from seodang.ingest.formats.detect import reading, reading_of
from seodang.ingest.formats.registry import Reading
from seodang.ingest.formats.rows import Origin, original_of, sample_row, spoiled_row
from seodang.ingest.formats.sample import Sample
from seodang.ingest.readers.read import read_objects
from seodang.ingest.rows import ROW_RAGGED, TEXTS, Row, fault_of, is_broken
from seodang.paths import Paths
from seodang.primer.generator import primer_records

_PEEKED = 20  # records of which most tell the format
_UNREADABLE = 1000  # rows among the first ones, after which no more are waited for

Object = dict[str, Any]


@dataclass(slots=True)
class Tally:
    """What a source gave, counted while it streams by."""

    read: int = 0
    ignored: list[str] = field(default_factory=list)  # keys of the files that no record has a place for
    files: list[LocalFile] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)  # that its files have, in their order

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows, and count them."""
        for row in rows:
            self.read += 1
            yield row

    def note(self, one: Reading, names: Iterable[str]) -> None:
        """Keep how a file is read."""
        self.formats = list(dict.fromkeys([*self.formats, one.name]))
        self.ignored = sorted({*self.ignored, *names} - one.used)


def source_rows(source: SourceParams, ingest: IngestParams, root: Path, tally: Tally) -> Iterator[Row]:
    """Yield the rows of one source, at most `source.limit`, in their order.

    Raises:
        SourceError: If the source as a whole cannot be used; one file's fault a line.

    """
    if source.kind == "primer":
        tally.formats, rows = ["primer"], _primer_rows(source, ingest)
    else:
        tally.files = local_files(source, root, Paths(root).downloads, ingest.sources)
        rows = _rows_of_files(source, ingest, tally)
    counted = tally.counted(rows)
    yield from counted if source.limit is None else _sampled(counted, source.limit)
    if not tally.read and (tally.files or source.kind == "primer"):
        raise SourceError(
            f"{source.path or 'ingest.primer'} is empty: there is no record in it; fill it, or take the source out of ingest.sources"
        )


def file_rows(
    path: Path,
    place: str,
    *,
    format: Format,
    columns: dict[str, str] | None,
    table: TableTemplate | None,
    name: str,
    max_field_characters: int,
) -> Iterator[Row]:
    """Yield the rows of one file, without any params.yaml.

    Args:
        path: The file.
        place: Its name in rows and messages.
        format: As in SourceParams; so are columns and table.
        columns: Key of the file by field of the record.
        table: Template of a labelled table.
        name: Of the source, in the rows; also the task of records that say none.
        max_field_characters: What is longer is cut.

    Raises:
        SourceError: If the file as a whole cannot be used. An empty file yields nothing.

    """
    origin = Origin(name, "any", max_field_characters, place)
    yield from _rows(path, origin, Tally(), format=format, columns=columns, table=table)


def _rows_of_files(source: SourceParams, ingest: IngestParams, tally: Tally) -> Iterator[Row]:
    faults = []
    for file in tally.files:
        origin = Origin(
            source.name,
            source.role,
            ingest.max_field_characters,
            file.place,
            "",
            source.task or "",
            source.cluster or "",
            source.language,
        )
        try:
            yield from _rows(file.path, origin, tally, format=source.format, columns=source.columns, table=source.table)
        except SourceError as error:
            faults.append(str(error))
    if faults:
        raise SourceError("\n".join(faults))


def _rows(
    path: Path,
    origin: Origin,
    tally: Tally,
    *,
    format: Format,
    columns: dict[str, str] | None,
    table: TableTemplate | None,
) -> Iterator[Row]:
    """Yield the rows of one file; each carries the number of its object in the file."""
    found = read_objects(path, origin.file)
    peeked = _peeked(found)
    if not peeked:
        return
    whole = [each for each in peeked if not is_broken(each)]
    names = list(dict.fromkeys(name for each in whole for name in each))
    one = reading(
        names,
        [each for each in whole if not _ragged(each)],
        format=format,
        columns=columns,
        table=table,
        place=origin.file,
    )
    tally.note(one, names)
    origin = replace(origin, format=one.name, own_task=one.task, own_cluster=one.cluster, own_language=one.language)
    objects = chain(peeked, found)
    del peeked, whole  # else the first records, which may be large, stay in memory till the end
    for number, each in enumerate(objects):
        if spoiled := spoiled_row(each, origin, number):
            yield spoiled
            continue
        original = original_of(each, origin.limit)
        own = reading_of(each, one) if format == "auto" else one
        if own is not one:
            tally.note(own, ())
        its = origin if own is one else replace(origin, format=own.name)
        for sample in own.convert(each):
            yield sample_row(sample, its, number, original)


def _peeked(found: Iterator[Object]) -> list[Object]:
    """Return the first objects, so many that some of them can be read; the reader refuses a file of which none can."""
    first: list[Object] = []
    readable = 0
    for each in found:
        first.append(each)
        readable += not is_broken(each)
        if readable == _PEEKED or len(first) - readable == _UNREADABLE:
            break
    return first


def _ragged(found: Object) -> bool:
    return fault_of(next(iter(found.values()), None)) == ROW_RAGGED


def _sampled(rows: Iterator[Row], limit: int) -> Iterator[Row]:
    """Yield the `limit` rows with the smallest hashes: the same ones, wherever they stand in the file."""
    chosen = heapq.nsmallest(
        limit, enumerate(rows), key=lambda numbered: _digest([numbered[1][name] for name in TEXTS])
    )
    for _, row in sorted(chosen, key=lambda numbered: numbered[0]):
        yield row


def _digest(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


def _primer_rows(source: SourceParams, ingest: IngestParams) -> Iterator[Row]:
    shared = Origin(
        source.name,
        source.role,
        ingest.max_field_characters,
        "",
        "primer",
        source.task or "",
        source.cluster or "",
        source.language,
    )
    for number, record in enumerate(primer_records(**ingest.primer.model_dump())):
        sample = Sample(record.instruction, record.output, record.input, choices=list(record.choices))
        origin = replace(shared, own_task=record.task, own_cluster=record.cluster, own_language=record.language)
        yield sample_row(sample, origin, number)
