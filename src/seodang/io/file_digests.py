"""The sha256 of large files, each read once: by this process, or by one that started it.

The start of a service needs the checksums of a model several times: to find it, to check it, and in each worker. A file
counts as known while its place, size and times are those of the reading. Its status time cannot be set back, so that a
file that is changed afterwards is read again.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Final

from seodang.io.atomic import compute_sha256

VARIABLE: Final = "SEODANG_FILE_DIGESTS"
"""Of the environment: what the parent process has read."""
_MIN_BYTES: Final = 2**20  # smaller files are read again: that takes no time
_MAX_FILES: Final = 256
_SETTLED_SECONDS: Final = 2.0
"""Age of a change from which on a later one has another time, on every file system."""
_known: dict[str, list[Any]] = {}
_has_inherited = False


def compute_known_sha256(path: Path) -> str:
    """Return the sha256 of a file as hex digits; a large one that was read before and has not changed is not read.

    Raises:
        OSError: If the file cannot be read.
    """
    _inherit()
    name, state = os.path.realpath(path), _read_state(path)
    known = _known.get(name)
    if known is not None and known[:-1] == state:
        return str(known[-1])
    digest = compute_sha256(path)
    is_settled = time.time_ns() - max(state[-2:]) > _SETTLED_SECONDS * 1e9
    if state[2] >= _MIN_BYTES and is_settled and _read_state(path) == state and len(_known) < _MAX_FILES:
        _known[name] = [*state, digest]
    return digest


def share_digests() -> None:
    """Hand what was read to the processes that this one starts or becomes."""
    _inherit()
    if _known:
        os.environ[VARIABLE] = json.dumps(_known)


def _read_state(path: Path) -> list[int]:
    """Return device, number, size in bytes, and times of the last change of content and status, in nanoseconds."""
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _inherit() -> None:
    global _has_inherited
    if not _has_inherited:
        _has_inherited = True
        try:
            inherited = json.loads(os.environ.get(VARIABLE, "{}"))
            _known.update({str(name): list(entry) for name, entry in inherited.items()})
        except (ValueError, TypeError, AttributeError):  # it only saves time
            _known.clear()
