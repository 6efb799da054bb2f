"""Change the registry completely or not at all, one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock

from seodang.io.atomic import write_atomically
from seodang.paths import Paths
from seodang.registry.git import unstage
from seodang.registry.tags import remove_tags_on_failure


@contextmanager
def restore_on_failure(paths: Paths) -> Iterator[None]:
    """Restore tags, champion.json and history, if the work in the context fails."""
    files = [paths.champion, paths.history]
    backups = {file: file.read_text("utf-8") for file in files if file.exists()}
    with remove_tags_on_failure(paths.root):
        try:
            yield
        except BaseException:
            for file in files:
                if file in backups:
                    write_atomically(file, [backups[file]])
                else:
                    file.unlink(missing_ok=True)
            unstage(paths.root, files)
            raise


@contextmanager
def hold_lock(paths: Paths) -> Iterator[None]:
    """Allow only one promotion or rollback at a time."""
    lock = paths.champions.with_name("registry.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield
