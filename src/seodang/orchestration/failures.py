"""Keep what a failed stage wrote: the worktree of its run is removed, and DVC stores finished stages only."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from seodang.config.yaml_file import read_yaml
from seodang.orchestration.worktrees import Worktree

_MAX_KEPT: Final = 3  # runs


def keep_failed_outputs(worktree: Worktree, stage: str, started: float) -> Path | None:
    """Move the outputs that a stage wrote before it failed out of the worktree, such as the records it rejected.

    Args:
        worktree: Of the run.
        stage: That failed.
        started: When it began, as time.time() gives it: older files come from DVC's cache.

    Returns:
        Folder of the project with the files, under the paths that they had; None if there are none.
    """
    written = [path for path in _list_outputs(worktree.root, stage) if _was_written(path, started)]
    if not written:
        return None
    parent = worktree.project / ".seodang" / "failed"
    kept = parent / worktree.name
    for path in written:
        target = kept / path.relative_to(worktree.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    newest_first = sorted(parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest_first[_MAX_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return kept


def _list_outputs(root: Path, stage: str) -> list[Path]:
    """Return the outputs of a stage; one that DVC keeps between runs, such as inputs.lock, is no output of this run."""
    definition: Mapping[str, Any] = (read_yaml(root / "dvc.yaml").get("stages") or {}).get(stage) or {}
    outputs = [output for kind in ("outs", "metrics", "plots") for output in definition.get(kind) or []]
    named = [{output: {}} if isinstance(output, str) else output for output in outputs]
    pairs = [(name, settings or {}) for output in named for name, settings in output.items()]
    return [root / name for name, settings in pairs if not settings.get("persist")]


def _was_written(path: Path, started: float) -> bool:
    files = [path, *path.rglob("*")] if path.exists() else []
    return any(file.is_file() and file.stat().st_mtime >= started for file in files)
