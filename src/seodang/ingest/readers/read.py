"""Read one data file of any shape, plain objects out. Knows nothing of instructions.

JSON list, an object that holds one, JSONL, CSV, TSV, parquet, Arrow; the first five also
packed with gzip or zstd. A row that cannot be read is a broken_row() in its place; only
a file that is unusable as a whole ends the reading.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from seodang.errors import SourceError
from seodang.ingest.readers.columnar import read_arrow, read_parquet
from seodang.ingest.readers.csv import read_table
from seodang.ingest.readers.detect import detect_file_format
from seodang.ingest.readers.json_lines import read_json_lines
from seodang.ingest.readers.json_stream import read_json_list, read_wrapped_list
from seodang.ingest.readers.text import read_head
from seodang.ingest.rows import is_malformed

JsonObject = dict[str, Any]

_MAX_MALFORMED: Final = 1_000  # broken rows without a single good one before them, after which a file is given up


def read_objects(path: Path, location: str) -> Iterator[JsonObject]:
    """Yield the objects of a file in their order, keys and values as they are in it; a broken_row() for each that cannot be read.

    Args:
        path: The file.
        place: Its name in messages.

    Raises:
        SourceError: If it is missing, of another kind or encoding, cut, or has no row that can be read; with line and column.

    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise SourceError(f"{location} is no regular file; save its content in one")
        yield from _check_readable(_iter_objects(path, location), location)
    except (EOFError, zlib.error) as error:
        raise SourceError(f"{location} is packed, and cut or damaged ({error}); fetch or pack it again") from error
    except OSError as error:
        raise SourceError(
            f"{location} cannot be read ({error.strerror or error}); check that it is a whole file and that you may read it"
        ) from error


def _iter_objects(path: Path, location: str) -> Iterator[JsonObject]:
    head = read_head(path)
    if not head.data:
        return iter(())
    file_format, separator = detect_file_format(head, location)
    match file_format:
        case "list":
            return read_json_list(path, location)
        case "wrapped list":
            return read_wrapped_list(path, location)
        case "lines":
            return read_json_lines(path)
        case "table":
            return read_table(path, location, separator)
        case "parquet":
            return read_parquet(path, location)
        case "arrow":
            return read_arrow(path, location)


def _check_readable(objects: Iterator[JsonObject], location: str) -> Iterator[JsonObject]:
    """Yield the objects, but refuse a file that has broken rows only: it is something else than it seems."""
    malformed: list[JsonObject] = []
    for found in objects:
        if not is_malformed(found):
            yield from malformed
            yield found
            yield from objects
            return
        malformed.append(found)
        if len(malformed) == _MAX_MALFORMED:
            break
    if malformed:
        summary = (
            "none of its rows can be read"
            if len(malformed) < _MAX_MALFORMED
            else f"none of its first {_MAX_MALFORMED:,} rows can be read"
        )
        raise SourceError(f"{location}, {malformed[0]['reason']}; {summary}: mend them, or save the file again")
