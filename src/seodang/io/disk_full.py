"""A disk that becomes full while something is written, told alike whichever library notices it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from seodang.errors import ModelError

_FULL = (errno.ENOSPC, errno.EDQUOT)  # the disk's end, or that of the user's share of it


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error says that nothing more can be written.

    Only some errors have a number: safetensors ends the system's words with
    "(os error 28)", and shutil.Error lists them, one for each file of a folder.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    return any(os.strerror(code) in str(error) for code in _FULL)


@contextmanager
def full_disk_told(writing: str) -> Iterator[None]:
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
        raise ModelError(f"the disk became full while {writing}; nothing half-written is left there: make room and run the same command again") from error
