"""Open a compressed file as a stream of its bytes; the first bytes name the compression, not the file name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
BZIP2: Final = b"BZh"
XZ: Final = b"\xfd7zXZ\0"
_MAGIC_BYTES: Final = max(map(len, (GZIP, ZSTD, BZIP2, XZ)))
COMPRESSION_SUFFIXES: Final = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz")


def is_compressed(path: Path) -> bool:
    """Return whether the file begins with the signature of a compression that `open_raw` undoes."""
    return _find_opener(path) is not None


def open_raw(path: Path) -> io.RawIOBase:
    """Open a file as decompressed bytes; memory holds a small part of it."""
    opener = _find_opener(path)
    return opener(path) if opener else path.open("rb", buffering=0)


def _find_opener(path: Path) -> Callable[[Path], io.RawIOBase] | None:
    with path.open("rb") as file:
        start = file.read(_MAGIC_BYTES)
    return next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)


def _open_gzip(path: Path) -> io.RawIOBase:
    return cast(io.RawIOBase, gzip.open(path))


def _open_zstd(path: Path) -> io.RawIOBase:
    import pyarrow as pa

    return cast(io.RawIOBase, pa.CompressedInputStream(str(path), "zstd"))


def _open_bzip2(path: Path) -> io.RawIOBase:
    return cast(io.RawIOBase, bz2.open(path))


def _open_xz(path: Path) -> io.RawIOBase:
    return cast(io.RawIOBase, lzma.open(path))


_OPENERS: Final = {GZIP: _open_gzip, ZSTD: _open_zstd, BZIP2: _open_bzip2, XZ: _open_xz}
