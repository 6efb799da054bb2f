"""Keep what a stopped run has computed: the next run with the same files and parameters resumes from it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from shutil import move
from typing import Final

from seodang.errors import ArtifactError
from seodang.io.atomic import write_atomically
from seodang.io.folder_lock import hold_folder
from seodang.io.jsonl import read_json

_NOTE: Final = "unfinished.json"
_STAGES: Final = (".seodang/training", ".seodang/aligning", ".seodang/evaluating", ".seodang/finished")
_MAX_KEPT: Final = 3  # checkpoints are large


def adopt_unfinished(project: Path, run_folder: Path, root: Path, files: str, folders: Sequence[str] = _STAGES) -> bool:
    """Move what an equal run left into a worktree; return whether there was something.

    Args:
        project: Folder of the project.
        run_folder: Folder of the run, which contains the worktree.
        root: Folder of the project in the worktree, with its final params.yaml.
        files: Name of the files of the run: commit or tree, and a digest of those that git ignores.
        folders: Of the project, relative; what the run computes there is kept until it has finished.
    """
    name = "\n".join([files, *folders, ""]).encode()
    key = hashlib.sha256(name + (root / "params.yaml").read_bytes()).hexdigest()[:16]
    write_atomically(run_folder / _NOTE, [json.dumps({"key": key, "root": str(root), "folders": list(folders)})])
    kept = _get_folder(project) / key
    with hold_folder(_get_folder(project)):  # of two equal runs at once, one gets it
        if not kept.is_dir():
            return False
        for folder in folders:
            _move_folder(kept / folder, root / folder)
        shutil.rmtree(kept)
    return True


def forget_unfinished(run_folder: Path) -> None:
    """Note that a run has finished: nothing of it is kept."""
    (run_folder / _NOTE).unlink(missing_ok=True)


def keep_unfinished(project: Path, run_folder: Path) -> None:
    """Move what a run that did not finish has computed out of its folder. The caller holds the folder of the runs."""
    try:
        note = read_json(run_folder / _NOTE)
    except ArtifactError:  # no note; or damaged, which must not keep the next run from starting
        return
    root = Path(note["root"])
    folders = [name for name in note.get("folders", _STAGES) if (root / name).is_dir() and any((root / name).iterdir())]
    if not folders:
        return
    kept = _get_folder(project) / note["key"]
    shutil.rmtree(kept, ignore_errors=True)
    for name in folders:
        _move_folder(root / name, kept / name)
    newest_first = sorted(_get_folder(project).iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest_first[_MAX_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def _move_folder(source: Path, target: Path) -> None:
    """Move a folder to another place, if it exists; what stands there, such as an earlier report, is replaced."""
    if not source.is_dir():
        return
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    move(source, target)


def _get_folder(project: Path) -> Path:
    return project / ".seodang" / "unfinished"
