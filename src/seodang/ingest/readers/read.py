"""Read a data file of any supported file format and yield plain objects, independent of the record format.

File formats: JSON list, JSON object that holds the records (in a list, under ids, by column), JSONL, CSV, TSV, Excel
workbook, Parquet, Arrow. The text formats may be UTF-8, CP949 or UTF-16, and compressed with gzip, zstd, bzip2 or xz.
An unreadable row becomes a malformed row; reading stops only if the entire file is unusable.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.readers.by_column import read_columns, read_split
from seodang.ingest.readers.columnar import read_arrow, read_parquet
from seodang.ingest.readers.csv import read_table
from seodang.ingest.readers.detect import DetectedFormat, detect_binary_format, detect_text_format
from seodang.ingest.readers.file_details import FileDetails
from seodang.ingest.readers.json_layout import JsonLayout
from seodang.ingest.readers.json_lines import read_json_lines
from seodang.ingest.readers.json_stream import read_concatenated, read_json_list, read_members, read_wrapped_list
from seodang.ingest.readers.text import TextFile, find_encoding, read_head
from seodang.ingest.readers.unsupported import describe_encoding_error
from seodang.ingest.readers.workbook import read_workbook
from seodang.ingest.rows import get_malformed_reason, is_malformed

JsonObject = dict[str, Any]

_MAX_MALFORMED: Final = 1_000  # malformed rows at the start of a file without a readable one, after which reading stops


def read_objects(path: Path, location: str, details: FileDetails | None = None) -> Iterator[JsonObject]:
    """Yield the objects of a file in order, with unchanged keys and values; a malformed row for each unreadable one.

    Args:
        path: The file.
        location: Name of the file in messages.
        details: Receives the encoding of the file and the sheets of a workbook.

    Raises:
        SourceError: If the file is missing, truncated, of an unsupported kind or encoding, or has no readable row.

    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise SourceError(_("{path} is not a regular file; save its content in one", path=location))
        yield from _check_readable(_iter_objects(path, location, details or FileDetails()), location)
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise SourceError(
            _(
                "{path} is compressed, and truncated or damaged ({reason}); fetch or compress it again",
                path=location,
                reason=error,
            )
        ) from error
    except OSError as error:
        raise SourceError(
            _(
                "{path} cannot be read ({reason}); check that the file is complete and that you may read it",
                path=location,
                reason=error.strerror or error,
            )
        ) from error


def _iter_objects(path: Path, location: str, details: FileDetails) -> Iterator[JsonObject]:
    head = read_head(path)
    if not head.data:
        return iter(())
    if head.mark_encoding is None and (binary := detect_binary_format(head, location)):
        match binary.name:
            case "parquet":
                return read_parquet(path, location)
            case "arrow":
                return read_arrow(path, location)
            case _:
                return read_workbook(path, location, details)
    encoding = find_encoding(path, head)
    if encoding is None:
        raise SourceError(describe_encoding_error(head.data, location))
    details.encoding = encoding
    return _read_text(
        TextFile(path, encoding), location, detect_text_format(replace(head, encoding=encoding), location)
    )


def _read_text(source: TextFile, location: str, detected: DetectedFormat) -> Iterator[JsonObject]:
    match detected.name:
        case "list":
            return read_json_list(source, location)
        case "object":
            return _read_layout(source, location, detected.layout)
        case "objects":
            return read_concatenated(source, location)
        case "lines":
            return read_json_lines(source)
        case _:
            return read_table(source, location, detected.separator, is_quoted=detected.is_quoted)


def _read_layout(source: TextFile, location: str, layout: JsonLayout | None) -> Iterator[JsonObject]:
    match layout:
        case JsonLayout("list", keys):
            return read_wrapped_list(source, location, keys)
        case JsonLayout("members", keys):
            return read_members(source, location, keys)
        case JsonLayout("columns", keys):
            return read_columns(source, location, keys)
        case JsonLayout("split", keys):
            return read_split(source, location, keys)
        case _:
            return read_concatenated(source, location)


def _check_readable(objects: Iterator[JsonObject], location: str) -> Iterator[JsonObject]:
    """Yield the objects; raise a SourceError if all rows are malformed: the file is not what it seems."""
    malformed: list[JsonObject] = []
    for record in objects:
        if not is_malformed(record):
            yield from malformed
            yield record
            yield from objects
            return
        malformed.append(record)
        if len(malformed) == _MAX_MALFORMED:
            break
    if not malformed:
        return
    reason = get_malformed_reason(malformed[0])
    if len(malformed) < _MAX_MALFORMED:
        raise SourceError(
            _(
                "{path}, {reason}; none of its rows can be read: repair them, or save the file again",
                path=location,
                reason=reason,
            )
        )
    raise SourceError(
        _(
            "{path}, {reason}; none of its first {count:,} rows can be read: repair them, or save the file again",
            path=location,
            reason=reason,
            count=_MAX_MALFORMED,
        )
    )
