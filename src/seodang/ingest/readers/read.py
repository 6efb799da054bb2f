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
from seodang.ingest.readers.detect import recognise
from seodang.ingest.readers.json_lines import read_json_lines
from seodang.ingest.readers.json_stream import read_json_list, read_wrapped_list
from seodang.ingest.readers.text import head_of
from seodang.ingest.rows import is_broken

Found = dict[str, Any]

_HOPELESS: Final = 1_000  # broken rows without a single good one before them, after which a file is given up


def read_objects(path: Path, place: str) -> Iterator[Found]:
    """Yield the objects of a file in their order, keys and values as they are in it; a broken_row() for each that cannot be read.

    Args:
        path: The file.
        place: Its name in messages.

    Raises:
        SourceError: If it is missing, of another kind or encoding, cut, or has no row that can be read; with line and column.

    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise SourceError(f"{place} is no regular file; save its content in one")
        yield from _readable(_objects(path, place), place)
    except (EOFError, zlib.error) as error:
        raise SourceError(f"{place} is packed, and cut or damaged ({error}); fetch or pack it again") from error
    except OSError as error:
        raise SourceError(
            f"{place} cannot be read ({error.strerror or error}); check that it is a whole file and that you may read it"
        ) from error


def _objects(path: Path, place: str) -> Iterator[Found]:
    head = head_of(path)
    if not head.data:
        return iter(())
    shape, separator = recognise(head, place)
    match shape:
        case "list":
            return read_json_list(path, place)
        case "wrapped list":
            return read_wrapped_list(path, place)
        case "lines":
            return read_json_lines(path)
        case "table":
            return read_table(path, place, separator)
        case "parquet":
            return read_parquet(path, place)
        case "arrow":
            return read_arrow(path, place)


def _readable(objects: Iterator[Found], place: str) -> Iterator[Found]:
    """Yield the objects, but refuse a file that has broken rows only: it is something else than it seems."""
    broken: list[Found] = []
    for found in objects:
        if not is_broken(found):
            yield from broken
            yield found
            yield from objects
            return
        broken.append(found)
        if len(broken) == _HOPELESS:
            break
    if broken:
        first = (
            "none of its rows can be read"
            if len(broken) < _HOPELESS
            else f"none of its first {_HOPELESS:,} rows can be read"
        )
        raise SourceError(f"{place}, {broken[0]['reason']}; {first}: mend them, or save the file again")
