"""Carry inputs that git ignores into the worktree of a run: the folder data/ holds records, and git ignores them."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from seodang.config.load import load_params
from seodang.ingest.preferences import add_preference_sources
from seodang.paths import Paths
from seodang.stages.experiments import select_untracked
from seodang.stages.inputs import list_inputs

_MODEL_STAGE: Final = "base"


def carry_ignored_inputs(project: Path, root: Path) -> list[str]:
    """Bring the inputs of a project that neither git nor DVC tracks into a worktree; return their names, sorted.

    Records are copied, because their user may change them during the run. The large files of a model are linked.

    Args:
        project: Folder of the project.
        root: Folder of the project in the worktree, with the params.yaml of the run.
    """
    params = load_params(Paths(root).params)
    carried = []
    ingest = add_preference_sources(params.ingest, params.align)
    for stage, files in list_inputs(params.model, ingest, params.evaluate, Paths(project)).items():
        inside = {path.relative_to(project).as_posix() for path in files.values() if path.is_relative_to(project)}
        lacking = sorted(name for name in inside if not (root / name).exists())
        for name in select_untracked(lacking, project):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            _bring(project / name, root / name, is_linked=stage == _MODEL_STAGE)
            carried.append(name)
    return sorted(carried)


def compute_digest(root: Path, names: list[str]) -> str:
    """Return a digest of the names and contents of files in a folder; "" without files."""
    if not names:
        return ""
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\n".encode())
        with (root / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _bring(source: Path, target: Path, *, is_linked: bool) -> None:
    if is_linked:
        try:
            os.link(source.resolve(), target)
        except OSError:  # another file system
            shutil.copy2(source, target)
    else:
        shutil.copy2(source, target)
