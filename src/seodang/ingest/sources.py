"""Convert each source of params.yaml into rows: locate its files, read their rows, and sample them."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from seodang.config import IngestParams, SourceParams
from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.fetch.locate import locate_files
from seodang.ingest.file_rows import iter_rows_of_origin
from seodang.ingest.formats.rows import Origin, build_row
from seodang.ingest.formats.sample import Sample
from seodang.ingest.rows import TEXTS, Row
from seodang.ingest.tally import Tally
from seodang.paths import Paths
from seodang.primer.generator import iter_primer_records
from seodang.primer.preferences import iter_primer_preferences
from seodang.records import Record


def iter_source_rows(source: SourceParams, ingest: IngestParams, root: Path, tally: Tally) -> Iterator[Row]:
    """Yield the rows of one source in file order, at most `source.limit`.

    Raises:
        SourceError: If the source cannot be used; the message has one line per file.

    """
    if source.kind != "file":
        records = (
            iter_primer_records(**ingest.primer.model_dump())
            if source.kind == "primer"
            else iter_primer_preferences(ingest.primer.seed)
        )
        tally.formats, rows = ["primer"], _iter_primer_rows(source, ingest, records)
    else:
        tally.files = locate_files(source, root, Paths(root).downloads, ingest.sources)
        rows = _iter_rows_of_files(source, ingest, tally)
    counted_rows = tally.count_rows(rows)
    yield from counted_rows if source.limit is None else _sample_rows(counted_rows, source.limit)
    if not tally.rows_read and (tally.files or source.kind != "file"):
        raise SourceError(
            _(
                "{path} is empty: it has no record; add records, or remove the source from ingest.sources",
                path=source.path or "ingest.primer",
            )
        )


def _build_origin(source: SourceParams, ingest: IngestParams, file: str, format: str) -> Origin:
    return Origin(
        source.name,
        source.role,
        ingest.max_field_characters,
        file,
        format,
        source.task or "",
        source.cluster or "",
        source.language,
        choices=tuple(source.choices),
    )


def _iter_rows_of_files(source: SourceParams, ingest: IngestParams, tally: Tally) -> Iterator[Row]:
    errors = []
    for file in tally.files:
        origin = replace(_build_origin(source, ingest, file.location, ""), is_held_out=file.is_held_out)
        try:
            yield from iter_rows_of_origin(
                file.path, origin, tally, format=source.format, columns=source.columns, table=source.table
            )
        except SourceError as error:
            errors.append(str(error))
    if errors:
        raise SourceError("\n".join(errors))


def _sample_rows(rows: Iterator[Row], limit: int) -> Iterator[Row]:
    """Yield the `limit` rows with the smallest hashes, in file order; their position does not affect the choice."""
    smallest = heapq.nsmallest(
        limit, enumerate(rows), key=lambda numbered: _compute_digest([numbered[1][name] for name in TEXTS])
    )
    for _number, row in sorted(smallest, key=lambda numbered: numbered[0]):
        yield row


def _compute_digest(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


def _iter_primer_rows(source: SourceParams, ingest: IngestParams, records: Iterator[Record]) -> Iterator[Row]:
    common = _build_origin(source, ingest, "", "primer")
    for number, record in enumerate(records):
        sample = Sample(
            record.instruction, record.output, record.input, choices=list(record.choices), rejected=record.rejected
        )
        origin = replace(
            common,
            role=record.role if source.role == "any" else source.role,
            default_task=record.task,
            default_cluster=record.cluster,
            default_language=record.language,
        )
        yield build_row(sample, origin, number)
