"""Change the registry completely or not at all, one process at a time."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock

from seodang.errors import RegistryError
from seodang.i18n import _
from seodang.io.atomic import remove_stale_parts
from seodang.io.disk_full import check_space
from seodang.paths import Paths
from seodang.registry.git import unstage
from seodang.registry.tags import remove_tags_on_failure

logger = logging.getLogger(__name__)

_SPACE: Final = 2_000_000  # bytes; tags, a commit and two files need far less


@contextmanager
def restore_on_failure(paths: Paths) -> Iterator[None]:
    """Restore tags, champion.json and history, if the work in the context fails; a full disk does not prevent it.

    Raises:
        ModelError: If the disk is almost full; nothing has changed.
    """
    files = [paths.champion, paths.history]
    check_space(paths.root, _SPACE, _("a change of the registry"))
    with _copy_beside(files) as copies, remove_tags_on_failure(paths.root):
        try:
            yield
        except BaseException:
            for file, copy in zip(files, copies, strict=True):
                if copy is None:
                    file.unlink(missing_ok=True)
                else:
                    copy.replace(file)
            _try_to_unstage(paths.root, files)
            raise


@contextmanager
def _copy_beside(files: Sequence[Path]) -> Iterator[list[Path | None]]:
    """Yield a copy of each file; None for a file that does not exist. A copy replaces its file without more space."""
    copies: list[Path | None] = []
    try:
        for file in files:
            # Another name than that of write_atomically, which deletes its temporary file.
            copies.append(file.with_name(f".{file.name}.before.{os.getpid()}.part") if file.exists() else None)
            if copies[-1] is not None:
                shutil.copyfile(file, copies[-1])
        yield copies
    finally:
        for copy in copies:
            if copy is not None:
                copy.unlink(missing_ok=True)


def _try_to_unstage(root: Path, files: Sequence[Path]) -> None:
    """Remove the files from git's index; a failure is only logged, because the error that led here matters more."""
    try:
        unstage(root, files)
    except RegistryError as error:
        logger.warning(_("git's index still has the undone change; run: git reset -- registry ({error})", error=error))


@contextmanager
def hold_lock(paths: Paths) -> Iterator[None]:
    """Allow only one promotion or rollback at a time."""
    lock = paths.champions.with_name("registry.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        for file in (paths.champion, paths.history):
            remove_stale_parts(file)  # of a killed promotion; git would call them uncommitted
        yield
