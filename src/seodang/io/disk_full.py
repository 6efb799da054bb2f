"""A disk that becomes full while something is written, told alike whichever library notices it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seodang.errors import ModelError

_DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)  # the disk's end, or that of the user's share of it


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error says that nothing more can be written.

    Only some errors have a number: safetensors ends the system's words with
    "(os error 28)", and shutil.Error lists them, one for each file of a folder.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _DISK_FULL_ERRNOS
    return any(os.strerror(code) in str(error) for code in _DISK_FULL_ERRNOS)


@contextmanager
def translate_disk_full(activity: str) -> Iterator[None]:
    """Turn a disk that becomes full into one message.

    Args:
        writing: Follows "while" in it, with the place, such as "tiny was written to artifacts/base/model".

    Raises:
        ModelError: If the disk became full while the block ran.
    """
    try:
        yield
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise ModelError(
            f"the disk became full while {activity}; nothing half-written is left there: make room and run the same command again"
        ) from error


def check_space(folder: Path, needed: int, purpose: str) -> None:
    """Refuse to begin what would not fit.

    Args:
        folder: Where it would be written; need not exist yet.
        needed: Bytes.
        purpose: Begins the message, such as "copying the model".

    Raises:
        ModelError: With the bytes needed and free.
    """
    existing = _find_existing_parent(folder)
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise ModelError(
            f"{purpose} needs {needed:,} bytes ({_format_gigabytes(needed)}), but {free:,} bytes ({_format_gigabytes(free)}) are free at {existing}; make room, then run the same command again"
        )


def is_same_disk(first: Path, second: Path) -> bool:
    """Return whether two folders, which need not exist yet, share what is free."""
    return _find_existing_parent(first).stat().st_dev == _find_existing_parent(second).stat().st_dev


def _find_existing_parent(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())


def _format_gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
