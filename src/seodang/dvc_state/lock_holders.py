"""The processes that hold paths in DVC's rwlock file, and which of them still run.

DVC notes the process id and the command of each holder. A killed process leaves its entry behind. DVC drops an entry
only if no process has that id, but in a container the id soon belongs to another process. So the start time and the
command decide too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

RWLOCK_FILES: Final = ("rwlock", "exps/rwlock")  # below .dvc/tmp; the second one is of experiments
_CLOCK_SLACK: Final = 2.0  # seconds; the kernel rounds the boot time, from which start times count


@dataclass(frozen=True, slots=True, order=True)
class LockHolder:
    """A process that reads or writes paths of the project through DVC."""

    pid: int
    command: str


def read_entries(file: Path) -> Mapping[str, Any]:
    """Return the entries of an rwlock file by kind ("read", "write"); empty if there is no file.

    Raises:
        ValueError: If the file is damaged: empty, cut, or of another form than DVC accepts.
    """
    try:
        entries = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(entries, dict) or not entries.keys() <= {"read", "write"}:
        raise ValueError(file)
    for holders in (holders for kind in entries.values() for holders in _iter_values(kind)):
        for holder in holders if isinstance(holders, list) else [holders]:
            if not isinstance(holder, dict) or not isinstance(holder.get("pid"), int) or "cmd" not in holder:
                raise ValueError(file)
    return entries


def _iter_values(paths: object) -> Iterator[Any]:
    if not isinstance(paths, dict):
        raise ValueError(paths)
    yield from paths.values()


def list_holders(entries: Mapping[str, Any]) -> list[LockHolder]:
    """Return the holders in an rwlock file, each once."""
    groups = [holders for kind in entries.values() for holders in kind.values()]
    each = (holder for group in groups for holder in (group if isinstance(group, list) else [group]))
    return sorted({LockHolder(holder["pid"], str(holder["cmd"])) for holder in each})


def list_living_holders(root: Path) -> list[LockHolder]:
    """Return the running processes that hold paths of a project; a damaged lock file holds none."""
    living = set()
    for file in (root / ".dvc" / "tmp" / name for name in RWLOCK_FILES):
        try:
            holders = list_holders(read_entries(file))
            written_at = file.stat().st_mtime if holders else 0.0
        except (OSError, ValueError):
            continue
        living |= {holder for holder in holders if is_running(holder, written_at)}
    return sorted(living)


def is_running(holder: LockHolder, written_at: float) -> bool:
    """Return whether the process of an entry still runs, and not another one that got its id.

    Args:
        holder: Of the entry.
        written_at: Seconds since the epoch at which the lock file was last written. A process that started later
            cannot have written the entry.
    """
    import psutil

    try:
        process = psutil.Process(holder.pid)
        if process.status() == psutil.STATUS_ZOMBIE or process.create_time() > written_at + _CLOCK_SLACK:
            return False
        words = [Path(word).name for word in process.cmdline()]
    except psutil.AccessDenied:  # of another user: it may well be DVC
        return True
    except psutil.Error:
        return False
    program = Path(holder.command.split(" ", 1)[0]).stem or "dvc"
    return any(name in word for word in words for name in ("dvc", program))


def remove_dead_holders(entries: Mapping[str, Any], dead: frozenset[LockHolder]) -> dict[str, Any]:
    """Return the entries of an rwlock file without those of some holders."""
    kept: dict[str, Any] = {}
    for kind, paths in entries.items():
        for path, holders in paths.items():
            each = holders if isinstance(holders, list) else [holders]
            rest = [holder for holder in each if LockHolder(holder["pid"], str(holder["cmd"])) not in dead]
            if rest:
                kept.setdefault(kind, {})[path] = rest if isinstance(holders, list) else rest[0]
    return kept
