"""Open a data file, compressed or not, as text in which invalid bytes stay detectable.

Bytes that are not UTF-8 become lone surrogates (PEP 383), which valid UTF-8 never contains. So only the rows with such
bytes are malformed.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO, cast

from seodang.ingest.rows import UNREADABLE_CHARACTERS

MAX_LINE_CHARACTERS: Final = 2**24  # 16.8 million; a longer line is not a record and could exhaust the memory
_HEAD_BYTES: Final = 2**20  # bytes used to detect format and encoding
_SKIP_CHARACTERS: Final = 2**16  # characters of an overlong line that are skipped at a time
_BOM: Final = b"\xef\xbb\xbf"
GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
_COMPRESSION_SUFFIXES = {GZIP: ".gz", ZSTD: ".zst"}


@dataclass(frozen=True, slots=True)
class Head:
    """The decompressed beginning of a file."""

    data: bytes  # from the first non-whitespace byte on; at most 1 MiB; without byte order mark
    is_complete: bool  # whether `data` holds the entire file
    suffix: str  # ".csv", also for data.csv.gz
    is_compressed: bool

    @property
    def text(self) -> str:
        """Data as stripped text; invalid bytes and a truncated last character are lone surrogates."""
        return self.data.decode("utf-8", "surrogateescape").strip()


def read_head(path: Path) -> Head:
    """Return the beginning of a file; leading whitespace is skipped."""
    with open_decompressed(path) as file:
        data = file.read(_HEAD_BYTES)
        while data and not data.strip():
            data = file.read(_HEAD_BYTES)
        is_complete = len(data) < _HEAD_BYTES
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_compressed = _read_magic(path) in _COMPRESSION_SUFFIXES
    if is_compressed and suffixes and suffixes[-1] in {".gz", ".gzip", ".zst", ".zstd"}:
        suffixes.pop()
    return Head(data, is_complete, suffixes[-1] if suffixes else "", is_compressed)


@contextmanager
def open_decompressed(path: Path) -> Iterator[io.BufferedReader[io.RawIOBase]]:
    """Open a file as bytes, decompressed and positioned after its byte order mark."""
    magic = _read_magic(path)
    with _open_raw(path, magic) as raw, io.BufferedReader(raw) as file:
        if file.peek(len(_BOM)).startswith(_BOM):
            file.read(len(_BOM))
        yield file


@contextmanager
def open_text(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """Open a file as text with invalid bytes as lone surrogates; `newline` as in `open`."""
    with open_decompressed(path) as raw, io.TextIOWrapper(raw, "utf-8", "surrogateescape", newline) as file:
        yield file


def iter_lines(file: TextIO) -> Iterator[str]:
    """Yield the lines with their line ends; a line longer than MAX_LINE_CHARACTERS is truncated above the limit."""
    while line := file.readline(MAX_LINE_CHARACTERS + 1):
        rest = line
        while len(line) > MAX_LINE_CHARACTERS and rest and rest[-1] not in "\r\n":
            rest = file.readline(_SKIP_CHARACTERS)
        yield line


def is_utf8(text: str) -> bool:
    """Return whether a text has no invalid byte."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def repair_text(text: str) -> str:
    """Return a text with each invalid byte replaced by the replacement character, so that it can be written."""
    return text if is_utf8(text) else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def truncate_line(line: str) -> str:
    """Return the beginning of a line that iter_lines truncated, with a note that it was longer."""
    more = f"… (more than {MAX_LINE_CHARACTERS:,} characters)"
    return repair_text(line[: min(UNREADABLE_CHARACTERS, MAX_LINE_CHARACTERS) - len(more)]) + more


def _read_magic(path: Path) -> bytes:
    """Return the signature of the compression, or the first bytes of the file."""
    with path.open("rb") as file:
        start = file.read(len(ZSTD))
    return next((magic for magic in _COMPRESSION_SUFFIXES if start.startswith(magic)), start)


def _open_raw(path: Path, magic: bytes) -> io.RawIOBase:
    if magic == GZIP:
        return cast(io.RawIOBase, gzip.open(path))
    if magic == ZSTD:
        import pyarrow as pa

        return cast(io.RawIOBase, pa.CompressedInputStream(str(path), "zstd"))
    return path.open("rb", buffering=0)
