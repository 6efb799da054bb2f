"""Read Parquet and Arrow files in batches, with their values converted to JSON types."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from seodang.errors import SourceError
from seodang.i18n import Message, _
from seodang.ingest.rows import UNREADABLE_CHARACTERS, make_malformed_row, shorten

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS: Final = 500  # rows converted to Python objects at a time


def read_parquet(path: Path, location: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file.

    Raises:
        SourceError: If the file is truncated or damaged.

    """
    import pyarrow.parquet as pq

    with _translate_errors(location, "Parquet"), pq.ParquetFile(path) as file:
        yield from _iter_rows(file.schema_arrow, file.iter_batches(batch_size=_BATCH_ROWS), location)


def read_arrow(path: Path, location: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of an Arrow (Feather) file, or of an Arrow stream as the datasets library writes it.

    Raises:
        SourceError: If the file is truncated or damaged.

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
    """Return a value as a JSON type: times, decimals and bytes become text, NaN and infinity become null.

    Raises:
        UnicodeDecodeError: If bytes are not UTF-8 text.

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
    """Raise a SourceError for any error of pyarrow."""
    import pyarrow as pa

    # MemoryError: a damaged length may request more memory than the machine has.
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise SourceError(
            _(
                "{path}: this {kind} file is truncated or damaged ({reason}); fetch or write it again",
                path=location,
                kind=kind,
                reason=shorten(str(error), 200),
            )
        ) from error


def _validate_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch after a check of its lengths and texts.

    Unlike Parquet, Arrow is read without checks, and a wrong length would read beyond the buffer.
    """
    batch.validate(full=True)
    return batch


def _iter_rows(schema: pa.Schema, batches: Iterator[pa.RecordBatch], location: str) -> Iterator[dict[str, Any]]:
    if duplicates := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise SourceError(
            _(
                "{path}: two columns have the name {names}; rename one",
                path=location,
                names=shorten(", ".join(duplicates)),
            )
        )
    offset = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _BATCH_ROWS):
            part = batch.slice(start, _BATCH_ROWS)
            yield from _iter_objects(part, offset + start)
        offset += batch.num_rows


def _iter_objects(batch: pa.RecordBatch, offset: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of one batch; a text that is not UTF-8 makes only its own row malformed."""
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError as error:
        if batch.num_rows > 1:
            for row in range(batch.num_rows):
                yield from _iter_objects(batch.slice(row, 1), offset + row)
        else:
            yield make_malformed_row(
                error.object.decode("utf-8", "replace"),
                Message("row {row} holds bytes that are not UTF-8; write the row again", {"row": offset + 1}),
            )
        return
    for number, row in enumerate(rows, start=offset + 1):
        yield _convert_row(row, number)


def _convert_row(row: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a row with JSON types; a malformed row if bytes in it are not UTF-8 text."""
    converted = {}
    for name, value in row.items():
        try:
            converted[name] = convert_to_json(value)
        except UnicodeDecodeError as error:
            text = error.object[:UNREADABLE_CHARACTERS].decode("utf-8", "replace")
            reason = Message(
                "row {row}, column {column} holds bytes that are not UTF-8; write them as text, or remove the column",
                {"row": number, "column": shorten(name, 40)},
            )
            return make_malformed_row(text, reason)
    return converted
