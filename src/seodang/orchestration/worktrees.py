"""A git worktree per run, with the cache and the downloads of the project; removed after the run, also after a kill.

A run lives in .seodang/runs/<name>: `tree` is the worktree. The process of the run holds a lock (flock) on the
folder. The kernel drops it when the process is gone, however it ended; the next run then removes the folder. Process
ids cannot serve for this: a container uses them again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seodang.errors import RegistryError, WorkspaceError
from seodang.i18n import _
from seodang.io.folder_lock import hold_folder
from seodang.io.git_process import run_git
from seodang.orchestration.revisions import Revision
from seodang.orchestration.uncached_outputs import carry_uncached_outputs
from seodang.orchestration.unfinished import keep_unfinished
from seodang.paths import Paths

_SHARED: Final = ("models", "downloads", "champions", "results")  # of .seodang: by checksum, written beside and renamed
_NO_HOOKS: Final = ("-c", "core.hooksPath=/dev/null")  # `dvc install` adds one that checks out all data


@dataclass(frozen=True, slots=True)
class Worktree:
    """The worktree of a run."""

    project: Path
    """Folder of the project that the run belongs to."""
    root: Path
    """Folder of the project in the worktree."""
    folder: Path
    """Folder of the run, which contains the worktree."""
    name: str
    """Of the run and of the experiment."""
    revision: Revision
    lock: int
    """Open descriptor of the lock. A process that inherits it keeps the worktree after this one is gone."""

    @property
    def paths(self) -> Paths:
        """Return the paths of the project in the worktree."""
        return Paths(self.root)


@contextmanager
def open_worktree(project: Path, name: str, revision: Revision) -> Iterator[Worktree]:
    """Work in a new worktree of a revision; it is removed at the end. Worktrees of dead runs are removed first.

    Raises:
        WorkspaceError: If a run of this name is at work.
        RegistryError: With git's message, if it cannot create the worktree.
    """
    project = project.resolve()
    runs = _get_runs_folder(project)
    with hold_folder(runs):
        runs.mkdir(parents=True, exist_ok=True)
        (runs / ".gitignore").write_text("*\n")
        _remove_dead(project)
        lock = _create_folder(runs / name)
    try:
        prefix = run_git(project, "rev-parse", "--show-prefix").strip("/")
        worktree = Worktree(project, runs / name / "tree" / prefix, runs / name, name, revision, lock)
        _add_worktree(worktree)
        yield worktree
    finally:
        with hold_folder(runs):
            _remove(project, runs / name)
            os.close(lock)


def get_run_name(root: Path) -> str | None:
    """Return the name of the run whose worktree contains a folder; None outside of worktrees."""
    parts = root.parts
    starts = [index for index in range(len(parts) - 2) if parts[index : index + 2] == (".seodang", "runs")]
    return parts[starts[-1] + 2] if starts else None


def _get_runs_folder(project: Path) -> Path:
    return project / ".seodang" / "runs"


def _create_folder(folder: Path) -> int:
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise WorkspaceError(_("run {name} is at work in {folder}", name=folder.name, folder=folder)) from error
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def list_worktrees(project: Path) -> list[str]:
    """Return the names of the runs that have a worktree."""
    return sorted(path.name for path in _get_runs_folder(project).glob("*") if path.is_dir())


def remove_dead_worktrees(project: Path) -> list[str]:
    """Remove the worktrees whose processes are gone; return the names of their runs.

    A run that is just being opened has its folder before its lock, so this waits for it.
    """
    with hold_folder(_get_runs_folder(project)):
        return _remove_dead(project)


def _remove_dead(project: Path) -> list[str]:
    dead = []
    for folder in (_get_runs_folder(project) / name for name in list_worktrees(project)):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            _remove(project, folder)
            dead.append(folder.name)
        finally:
            os.close(lock)
    return dead


def _remove(project: Path, folder: Path) -> None:
    """Remove a worktree from git and from the disk; checkpoints of an unfinished training are kept."""
    keep_unfinished(project, folder)
    with suppress(RegistryError):  # a kill may have come before git knew the worktree
        run_git(project, "worktree", "remove", "--force", "--force", str(folder / "tree"))
    shutil.rmtree(folder, ignore_errors=True)


def _add_worktree(worktree: Worktree) -> None:
    revision, project, folder = worktree.revision, worktree.project, worktree.folder / "tree"
    run_git(project, *_NO_HOOKS, "worktree", "add", "--quiet", "--detach", str(folder), revision.commit)
    if revision.tree != revision.commit:
        run_git(folder, *_NO_HOOKS, "read-tree", "-u", "--reset", revision.tree)
    if not (worktree.root / ".dvc").is_dir():
        raise WorkspaceError(
            _("commit {commit} is no DVC project; run: dvc init && git commit -m dvc", commit=revision.commit[:7])
        )
    _write_dvc_settings(worktree)
    lock_file = project / "dvc.lock"
    if lock_file.is_file() and not (worktree.root / "dvc.lock").exists():
        shutil.copyfile(lock_file, worktree.root / "dvc.lock")  # what is up to date; DVC compares checksums
    carry_uncached_outputs(project, worktree.root)
    for name in _SHARED:
        (project / ".seodang" / name).mkdir(parents=True, exist_ok=True)
        (worktree.root / ".seodang").mkdir(exist_ok=True)
        (worktree.root / ".seodang" / name).symlink_to(project / ".seodang" / name)


def _write_dvc_settings(worktree: Worktree) -> None:
    """Give the worktree the cache, the remotes and the local settings of the project, with complete paths."""
    from dvc.config import Config

    project = Config(str(worktree.project / ".dvc"), validate=False)
    settings: dict[str, Any] = {}
    for level in ("repo", "local"):
        for section, values in project.load_one(level).items():
            settings.setdefault(section, {}).update(values)
    settings.setdefault("cache", {}).setdefault("dir", str(worktree.project / ".dvc" / "cache"))
    settings.setdefault("core", {})["site_cache_dir"] = str(worktree.folder / "site-cache")  # removed with the run
    with Config(str(worktree.root / ".dvc"), validate=False).edit("local", validate=False) as local:
        local.update({section: values for section, values in settings.items() if values})
