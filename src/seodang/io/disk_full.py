"""Detect a full disk and report it with the same message, whichever library raised the error."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seodang.errors import DiskFull
from seodang.i18n import _

_GIGABYTE = 1e9  # bytes
_DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)  # the disk is full, or the user's quota is used up


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error reports a full disk.

    Only some errors have a number. For example, safetensors appends "(os error 28)" to the system's message, and
    shutil.Error lists one message for each file of a folder.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _DISK_FULL_ERRNOS
    return any(os.strerror(code) in str(error) for code in _DISK_FULL_ERRNOS)


@contextmanager
def translate_disk_full(activity: str) -> Iterator[None]:
    """Raise DiskFull if the disk becomes full while the block runs.

    Args:
        activity: Translated clause after "while" that names the path, such as "tiny was written to artifacts/base".

    Raises:
        DiskFull: If the disk became full while the block ran.
    """
    try:
        yield
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise DiskFull(
            _(
                "the disk became full while {activity}; no partial file was left there: free some space and run the same"
                " command again",
                activity=activity,
            )
        ) from error


def check_space(folder: Path, needed: int, purpose: str) -> None:
    """Raise DiskFull if a disk has less free space than a write needs.

    Args:
        folder: Target of the write; it may not exist yet.
        needed: Size of the write, in bytes.
        purpose: Translated start of the message, such as "copying the model".

    Raises:
        DiskFull: If the space is too small; the message gives the needed and the free bytes.
    """
    existing = _find_existing_parent(folder)
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise DiskFull(
            _(
                "{purpose} needs {needed:,} bytes ({needed_gigabytes:.1f} GB), but {free:,} bytes ({free_gigabytes:.1f} GB)"
                " are free at {folder}; free some space, then run the same command again",
                purpose=purpose,
                needed=needed,
                needed_gigabytes=needed / _GIGABYTE,
                free=free,
                free_gigabytes=free / _GIGABYTE,
                folder=existing,
            )
        )


def is_same_disk(first: Path, second: Path) -> bool:
    """Return whether two folders share the same disk; they may not exist yet."""
    return _find_existing_parent(first).stat().st_dev == _find_existing_parent(second).stat().st_dev


def _find_existing_parent(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
