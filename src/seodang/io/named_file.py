"""Files whose write errors name the file; the system names it only where a file is opened."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

_UPDATE: Final = "r+b"


class _NamedFile(io.FileIO):
    """A file that adds its target to the errors of the system."""

    def __init__(self, path: Path, mode: str, target: Path) -> None:
        self._target = target
        super().__init__(path, mode)

    def write(self, data: Any, /) -> int:
        """Write bytes; the number of written bytes is returned."""
        with name_in_errors(self._target):
            return super().write(data)


def open_named(path: Path, mode: str, target: Path | None = None) -> BinaryIO:
    """Open a binary file for writing.

    Args:
        path: The file.
        mode: As of `open`: "wb", "ab" or "r+b".
        target: File that errors name, if `path` is a temporary file that will replace it.
    """
    raw = _NamedFile(path, mode, target or path)
    return io.BufferedRandom(raw) if mode == _UPDATE else cast(BinaryIO, io.BufferedWriter(raw))


def flush_to_disk(file: BinaryIO, target: Path) -> None:
    """Write what is left in the buffers of a file to the disk; errors name the target."""
    with name_in_errors(target):
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def name_in_errors(path: Path) -> Iterator[None]:
    """Add a path to an error of the system that names none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
