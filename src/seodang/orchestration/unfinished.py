"""Keep what a stopped run has computed: the next run with the same files and parameters resumes from it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from shutil import move
from typing import Final

from seodang.errors import ArtifactError
from seodang.io.atomic import write_atomically
from seodang.io.folder_lock import hold_folder
from seodang.io.jsonl import read_json

_NOTE: Final = "unfinished.json"
_FOLDERS: Final = ("training", "evaluating")  # of .seodang
_MAX_KEPT: Final = 3  # checkpoints are large


def adopt_unfinished(project: Path, run_folder: Path, root: Path, files: str) -> bool:
    """Move what an equal run left into a worktree; return whether there was something.

    Args:
        project: Folder of the project.
        run_folder: Folder of the run, which contains the worktree.
        root: Folder of the project in the worktree, with its final params.yaml.
        files: Name of the files of the run: commit or tree, and a digest of those that git ignores.
    """
    key = hashlib.sha256(f"{files}\n".encode() + (root / "params.yaml").read_bytes()).hexdigest()[:16]
    write_atomically(run_folder / _NOTE, [json.dumps({"key": key, "root": str(root)})])
    kept = _get_folder(project) / key
    with hold_folder(_get_folder(project)):  # of two equal runs at once, one gets it
        if not kept.is_dir():
            return False
        for folder in kept.iterdir():
            move(folder, root / ".seodang" / folder.name)
        kept.rmdir()
    return True


def forget_unfinished(run_folder: Path) -> None:
    """Note that a run has finished: nothing of it is kept."""
    (run_folder / _NOTE).unlink(missing_ok=True)


def keep_unfinished(project: Path, run_folder: Path) -> None:
    """Move the checkpoints and results of a run that did not finish out of its folder."""
    try:
        note = read_json(run_folder / _NOTE)
    except ArtifactError:  # no note; or damaged, which must not keep the next run from starting
        return
    folders = [Path(note["root"], ".seodang", name) for name in _FOLDERS]
    folders = [folder for folder in folders if folder.is_dir() and any(folder.iterdir())]
    if not folders:
        return
    kept = _get_folder(project) / note["key"]
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for folder in folders:
        move(folder, kept / folder.name)
    newest_first = sorted(_get_folder(project).iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest_first[_MAX_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def _get_folder(project: Path) -> Path:
    return project / ".seodang" / "unfinished"
