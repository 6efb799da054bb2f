"""Parquet and Arrow, read in batches; their values become what JSON would hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seodang.errors import SourceError
from seodang.ingest.rows import UNREADABLE_CHARACTERS, make_malformed_row, shorten

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS: Final = 500  # made into Python objects at a time


def read_parquet(path: Path, location: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a parquet file.

    Raises:
        SourceError: If it is cut or damaged.

    """
    import pyarrow.parquet as pq

    with _translate_errors(location, "parquet"), pq.ParquetFile(path) as file:
        yield from _iter_rows(file.schema_arrow, file.iter_batches(batch_size=_BATCH_ROWS), location)


def read_arrow(path: Path, location: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of an Arrow (Feather) file, or of the Arrow stream that the datasets library keeps.

    Raises:
        SourceError: If it is cut or damaged.

    """
    import pyarrow as pa

    with _translate_errors(location, "Arrow"), path.open("rb") as raw:
        is_file = raw.read(6) == b"ARROW1"
        raw.seek(0)
        if is_file:
            with pa.ipc.open_file(raw) as file:
                yield from _iter_rows(
                    file.schema, map(_validate_batch, map(file.get_batch, range(file.num_record_batches))), location
                )
        else:
            with pa.ipc.open_stream(raw) as stream:
                yield from _iter_rows(stream.schema, map(_validate_batch, stream), location)


def convert_to_json(value: object) -> object:
    """Return a value as JSON would hold it: moments and decimals as text, bytes as their text, NaN and infinity as null.

    Raises:
        UnicodeDecodeError: If bytes are no text in UTF-8.

    """
    match value:
        case float():
            return value if isfinite(value) else None
        case None | str() | int():
            return value
        case dict():
            return {str(name): convert_to_json(inner) for name, inner in value.items()}
        case list() | tuple():
            return [convert_to_json(inner) for inner in value]
        case bytes():
            return value.decode()
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case timedelta() | Decimal():
            return str(value)
        case _:
            return str(value)


@contextmanager
def _translate_errors(location: str, kind: str) -> Iterator[None]:
    """Say what pyarrow finds wrong with a file as a SourceError."""
    import pyarrow as pa

    try:
        yield
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        OverflowError,
        MemoryError,
    ) as error:  # a damaged length may ask for more memory than there is
        raise SourceError(
            f"{location} is a {kind} file that is cut or damaged ({shorten(str(error), 200)}); fetch or write it again"
        ) from error


def _validate_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return an Arrow batch whose lengths and texts were looked at: unlike parquet's they are taken as they stand, and a wrong one reads beyond the memory."""
    batch.validate(full=True)
    return batch


def _iter_rows(schema: pa.Schema, batches: Iterator[pa.RecordBatch], location: str) -> Iterator[dict[str, Any]]:
    if duplicates := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise SourceError(f"{location}: two columns have the name {shorten(', '.join(duplicates))}; rename one")
    offset = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _BATCH_ROWS):
            part = batch.slice(start, _BATCH_ROWS)
            yield from _iter_objects(part, offset + start)
        offset += batch.num_rows


def _iter_objects(batch: pa.RecordBatch, offset: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of one batch; a text that is not UTF-8 breaks its own row only."""
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError as error:
        if batch.num_rows > 1:
            for row in range(batch.num_rows):
                yield from _iter_objects(batch.slice(row, 1), offset + row)
        else:
            yield make_malformed_row(
                error.object.decode("utf-8", "replace"),
                f"row {offset + 1} holds bytes that are not UTF-8; write it again",
            )
        return
    for number, row in enumerate(rows, start=offset + 1):
        yield _convert_row(row, number)


def _convert_row(row: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a row as JSON would hold it, or its broken_row() when bytes in it are no text."""
    converted = {}
    for name, value in row.items():
        try:
            converted[name] = convert_to_json(value)
        except UnicodeDecodeError as error:
            text = error.object[:UNREADABLE_CHARACTERS].decode("utf-8", "replace")
            reason = "holds bytes that are not UTF-8; write them as text, or leave the column out"
            return make_malformed_row(text, f"row {number}, column {shorten(name, 40)} {reason}")
    return converted
