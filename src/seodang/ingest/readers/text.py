"""Open a data file, compressed or not, as text in which invalid bytes stay detectable.

Bytes that are not text in the file's encoding become lone surrogates (PEP 383), which valid UTF-8 never contains. So
only the rows with such bytes are malformed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from seodang.ingest.readers.compression import COMPRESSION_SUFFIXES, is_compressed, open_raw
from seodang.ingest.readers.encoding import (
    MARK_BYTES,
    UTF8,
    decode,
    detect_encoding,
    find_mark,
    get_error_handler,
)
from seodang.ingest.rows import UNREADABLE_CHARACTERS

MAX_LINE_CHARACTERS: Final = 2**24  # 16.8 million; a longer line is not a record and could exhaust the memory
_HEAD_BYTES: Final = 2**20  # bytes used to detect format and encoding
_SKIP_CHARACTERS: Final = 2**16  # characters of an overlong line that are skipped at a time


@dataclass(frozen=True, slots=True)
class Head:
    """The decompressed beginning of a file."""

    data: bytes  # from the first non-whitespace byte on; at most 1 MiB; without byte order mark
    is_complete: bool  # whether `data` holds the entire file
    suffix: str  # ".csv", also for data.csv.gz
    is_compressed: bool
    mark_encoding: str | None = None  # the encoding that the byte order mark states
    encoding: str = UTF8  # of the text; see find_encoding

    @property
    def text(self) -> str:
        """Data as stripped text; invalid bytes and a truncated last character are lone surrogates."""
        return decode(self.data, self.encoding).strip()


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file whose encoding is known."""

    path: Path
    encoding: str

    @contextmanager
    def open(self, newline: str | None = None) -> Iterator[TextIO]:
        """Open the file as text with invalid bytes as lone surrogates; `newline` as in `open`."""
        errors = get_error_handler(self.encoding)
        with open_decompressed(self.path) as raw, io.TextIOWrapper(raw, self.encoding, errors, newline) as file:
            yield file


def read_head(path: Path) -> Head:
    """Return the beginning of a file; leading whitespace is skipped."""
    with open_raw(path) as raw:
        _length, mark_encoding = find_mark(raw.read(MARK_BYTES) or b"")
    with open_decompressed(path) as file:
        data = file.read(_HEAD_BYTES)
        while data and not data.strip():
            data = file.read(_HEAD_BYTES)
        is_complete = len(data) < _HEAD_BYTES
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_packed = is_compressed(path)
    if is_packed and suffixes and suffixes[-1] in COMPRESSION_SUFFIXES:
        suffixes.pop()
    return Head(data, is_complete, suffixes[-1] if suffixes else "", is_packed, mark_encoding)


def find_encoding(path: Path, head: Head) -> str | None:
    """Return the encoding of a text file; None if it is unknown.

    A head of ASCII alone decides nothing: the part with the first other byte does.
    """
    if head.mark_encoding:
        return head.mark_encoding
    if head.is_complete or not head.data.isascii() or b"\0" in head.data:
        return detect_encoding(head.data)
    with open_decompressed(path) as file:
        while data := file.read(_HEAD_BYTES):
            if not data.isascii():
                return detect_encoding(data)
    return UTF8


@contextmanager
def open_decompressed(path: Path) -> Iterator[io.BufferedReader[io.RawIOBase]]:
    """Open a file as bytes, decompressed and positioned after its byte order mark."""
    with open_raw(path) as raw, io.BufferedReader(raw) as file:
        length, _encoding = find_mark(file.peek(MARK_BYTES))
        file.read(length)
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
