"""Allow one process at a time to change a folder, whoever starts it and wherever its temporary files are."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Wait until no other process holds a folder, and hold it in the context.

    The lock is on the folder that contains it, so it exists before the folder does, and needs no file that git would
    see. A lock file in TMPDIR would be another one for each user and each TMPDIR.

    Raises:
        OSError: If the containing folder cannot be created or opened.
    """
    parent = folder.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # a network file system that locks only files opened for writing
            with FileLock(_name_lock_file(parent)):
                yield
        else:
            yield
    finally:
        os.close(descriptor)


def _name_lock_file(folder: Path) -> Path:
    name = hashlib.sha256(f"{os.getuid()} {folder}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"seodang-{name}.lock"
