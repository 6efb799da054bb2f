"""Repair what a killed run or a full disk leaves of DVC's own files, so that the next run starts.

A repair happens only while this process holds DVC's lock: a running DVC writes these files in place, and between two
writes they look damaged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from seodang.dvc_state.lock_file import cut_to_complete_stages, is_damaged, list_stages, read_lock_file
from seodang.dvc_state.lock_holders import RWLOCK_FILES, is_running, list_holders, read_entries, remove_dead_holders
from seodang.dvc_state.settings import read_dvc_settings
from seodang.errors import WorkspaceError
from seodang.i18n import _, ngettext
from seodang.io.atomic import write_atomically

logger = logging.getLogger(__name__)

_DAMAGED_LOCK: Final = ".dvc/tmp/dvc.lock.damaged"


def find_damage(root: Path) -> list[str]:
    """Return what is damaged or stale, one message per file; [] for a project that needs no repair."""
    return [message for message, _repair in _iter_repairs(root)]


def repair_dvc_files(root: Path) -> list[str]:
    """Repair DVC's locks and dvc.lock; log and return what was done, one message per file.

    While a DVC process works on the project, nothing is touched: its files may look damaged for a moment, and DVC
    waits for it anyway.

    Args:
        root: Of the project.

    Raises:
        OSError: If a file cannot be replaced. A folder that this user may not write is left to `check_workspace`.
    """
    if not find_damage(root):
        return []
    with suppress(PermissionError), _hold_dvc_locks(root) as is_held:
        if is_held:
            done = []
            for message, repair in list(_iter_repairs(root)):
                repair()
                done.append(_("repaired: {damage}", damage=message))
                logger.warning(done[-1])
            return done
    return []


@contextmanager
def _hold_dvc_locks(root: Path) -> Iterator[bool]:
    """Hold DVC's lock of the project and that of its rwlock file; yield False if a DVC process keeps one of them."""
    from dvc.lock import LockError, make_lock

    folder = root / ".dvc" / "tmp"
    folder.mkdir(exist_ok=True)
    options = {"tmp_dir": str(folder), "hardlink_lock": _uses_hard_links(root)}
    locks = [make_lock(str(folder / name), **options) for name in ("lock", "rwlock.lock")]
    held: list[Any] = []
    try:
        for lock in locks:
            with suppress(LockError):
                lock.lock()
                held.append(lock)
        yield len(held) == len(locks)
    finally:
        for lock in reversed(held):
            lock.unlock()


def _uses_hard_links(root: Path) -> bool:
    try:
        return bool(read_dvc_settings(root)["core"].get("hardlink_lock", False))
    except (WorkspaceError, RuntimeError):  # `check_workspace` reports it
        return False


class _Repair:
    """Replaces a file by a text, or removes it; of a damaged dvc.lock it keeps a copy."""

    def __init__(self, file: Path, text: str | None, copy: Path | None = None) -> None:
        self._file, self._text, self._copy = file, text, copy

    def __call__(self) -> None:
        if self._copy is not None:
            self._copy.write_bytes(self._file.read_bytes())
        if self._text is None:
            self._file.unlink()
        else:
            write_atomically(self._file, [self._text])


def _iter_repairs(root: Path) -> Iterator[tuple[str, _Repair]]:
    """Yield each repair with the message about it."""
    for name in RWLOCK_FILES:
        with suppress(FileNotFoundError, PermissionError):
            yield from _iter_rwlock_repairs(root, f".dvc/tmp/{name}")
    text = read_lock_file(root / "dvc.lock")
    if text is None or not is_damaged(text):
        return
    kept = cut_to_complete_stages(text)
    stages = ", ".join(list_stages(kept)) if kept else _("none")
    message = _(
        "dvc.lock is cut, as by a full disk; its complete stages ({stages}) are kept, DVC finds the others in its cache,"
        " and the file as it was goes to {copy}",
        stages=stages,
        copy=_DAMAGED_LOCK,
    )
    yield message, _Repair(root / "dvc.lock", kept, root / _DAMAGED_LOCK)


def _iter_rwlock_repairs(root: Path, name: str) -> Iterator[tuple[str, _Repair]]:
    file = root / name
    try:
        entries = read_entries(file)
    except ValueError:
        yield _("DVC's lock file {file} is damaged, as after a kill", file=name), _Repair(file, None)
        return
    if not entries:
        return
    written_at = file.stat().st_mtime
    dead = frozenset(holder for holder in list_holders(entries) if not is_running(holder, written_at))
    if dead:
        message = ngettext(
            "{count} process that no longer runs holds paths in DVC's lock file {file}: {holders}",
            "{count} processes that no longer run hold paths in DVC's lock file {file}: {holders}",
            len(dead),
            file=name,
            holders=", ".join(f"{holder.pid} ({holder.command})" for holder in sorted(dead)),
        )
        yield message, _Repair(file, json.dumps(remove_dead_holders(entries, dead)))
