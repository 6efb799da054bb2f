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
from seodang.ingest.rows import UNREADABLE_CHARACTERS, broken_row, shown

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS: Final = 500  # made into Python objects at a time


def read_parquet(path: Path, place: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a parquet file.

    Raises:
        SourceError: If it is cut or damaged.

    """
    import pyarrow.parquet as pq

    with _told(place, "parquet"), pq.ParquetFile(path) as file:
        yield from _rows(file.schema_arrow, file.iter_batches(batch_size=_ROWS), place)


def read_arrow(path: Path, place: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of an Arrow (Feather) file, or of the Arrow stream that the datasets library keeps.

    Raises:
        SourceError: If it is cut or damaged.

    """
    import pyarrow as pa

    with _told(place, "Arrow"), path.open("rb") as raw:
        named = raw.read(6) == b"ARROW1"
        raw.seek(0)
        if named:
            with pa.ipc.open_file(raw) as file:
                yield from _rows(file.schema, map(_checked, map(file.get_batch, range(file.num_record_batches))), place)
        else:
            with pa.ipc.open_stream(raw) as stream:
                yield from _rows(stream.schema, map(_checked, stream), place)


def plain(value: object) -> object:
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
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case bytes():
            return value.decode()
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case timedelta() | Decimal():
            return str(value)
        case _:
            return str(value)


@contextmanager
def _told(place: str, kind: str) -> Iterator[None]:
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
            f"{place} is a {kind} file that is cut or damaged ({shown(str(error), 200)}); fetch or write it again"
        ) from error


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return an Arrow batch whose lengths and texts were looked at: unlike parquet's they are taken as they stand, and a wrong one reads beyond the memory."""
    batch.validate(full=True)
    return batch


def _rows(schema: pa.Schema, batches: Iterator[pa.RecordBatch], place: str) -> Iterator[dict[str, Any]]:
    if twice := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise SourceError(f"{place}: two columns have the name {shown(', '.join(twice))}; rename one")
    begun = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _ROWS):
            part = batch.slice(start, _ROWS)
            yield from _objects(part, begun + start)
        begun += batch.num_rows


def _objects(batch: pa.RecordBatch, begun: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of one batch; a text that is not UTF-8 breaks its own row only."""
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError as error:
        if batch.num_rows > 1:
            for row in range(batch.num_rows):
                yield from _objects(batch.slice(row, 1), begun + row)
        else:
            yield broken_row(
                error.object.decode("utf-8", "replace"),
                f"row {begun + 1} holds bytes that are not UTF-8; write it again",
            )
        return
    for number, row in enumerate(rows, start=begun + 1):
        yield _plain_row(row, number)


def _plain_row(row: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a row as JSON would hold it, or its broken_row() when bytes in it are no text."""
    found = {}
    for name, value in row.items():
        try:
            found[name] = plain(value)
        except UnicodeDecodeError as error:
            text = error.object[:UNREADABLE_CHARACTERS].decode("utf-8", "replace")
            reason = "holds bytes that are not UTF-8; write them as text, or leave the column out"
            return broken_row(text, f"row {number}, column {shown(name, 40)} {reason}")
    return found
