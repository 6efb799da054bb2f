"""Temporary files that killed runs leave: in DVC's cache, and beside the artifacts."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from seodang.dvc_state.settings import get_cache_folder
from seodang.i18n import ngettext
from seodang.io.atomic import is_stale_part

logger = logging.getLogger(__name__)

_UNTOUCHED_SECONDS: Final = 3600.0
"""Age of the last change from which on no process writes a temporary file of the cache, which projects may share."""
_UNUSED_SECONDS: Final = 5.0
"""Age from which on no process is about to write into an empty folder of the run cache: it does so at once."""
_FORMER_PREFIXES: Final = (".sketches-", ".gguf-")  # of earlier versions; none of them writes here now
_MEGABYTE: Final = 1e6  # bytes


def list_leftovers(root: Path) -> list[Path]:
    """Return the temporary files and folders of killed runs in a project and its cache, sorted.

    Raises:
        WorkspaceError: If DVC's settings are damaged.
    """
    return sorted({*_iter_cache_files(get_cache_folder(root)), *_iter_parts(root)})


def remove_leftovers(root: Path) -> int:
    """Delete the temporary files and folders of killed runs; log and return their size in bytes.

    Raises:
        WorkspaceError: If DVC's settings are damaged.
    """
    leftovers = list_leftovers(root)
    size = sum(map(measure_size, leftovers))
    for path in leftovers:
        with suppress(OSError):  # of another user
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if leftovers:
        logger.info(
            ngettext(
                "deleted {count} temporary file of killed runs ({megabytes:,.1f} MB)",
                "deleted {count} temporary files of killed runs ({megabytes:,.1f} MB)",
                len(leftovers),
                megabytes=size / _MEGABYTE,
            )
        )
    return size


def measure_size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 for one that has just gone."""
    total = 0
    for file in path.rglob("*") if path.is_dir() else [path]:
        with suppress(OSError):
            total += file.lstat().st_size
    return total


def _iter_cache_files(cache: Path) -> Iterator[Path]:
    oldest = time.time() - _UNTOUCHED_SECONDS
    for pattern in ("files/md5/*.tmp", "files/md5/*/*.tmp", "runs/*/*/*.tmp"):
        for file in cache.glob(pattern):
            with suppress(OSError):
                if file.lstat().st_mtime < oldest:
                    yield file
    yield from _iter_empty_entries(cache)


def _iter_empty_entries(cache: Path) -> Iterator[Path]:
    """Yield entries of the run cache without content: a kill while DVC saves leaves one, and each later run fails."""
    oldest = time.time() - _UNUSED_SECONDS
    for folder in cache.glob("runs/*/*"):
        with suppress(OSError):
            if folder.is_dir() and folder.lstat().st_mtime < oldest and not any(folder.iterdir()):
                yield folder


def _iter_parts(root: Path) -> Iterator[Path]:
    """Yield the temporary folders and files of stages; those of running processes are left out."""
    for pattern in ("artifacts/.*", "artifacts/*/.*", ".seodang/*/.*.part"):
        for path in root.glob(pattern):
            if is_stale_part(path) or path.name.startswith(_FORMER_PREFIXES):
                yield path
