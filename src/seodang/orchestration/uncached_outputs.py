"""Outputs that DVC does not cache, such as the verdict: only the working tree and experiments have them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seodang.config.yaml_file import read_yaml


def list_uncached_outputs(root: Path) -> list[Path]:
    """Return the outputs of dvc.yaml that DVC does not cache; later stages need them, too."""
    stages: Mapping[str, Any] = read_yaml(root / "dvc.yaml").get("stages") or {}
    outputs = [
        output
        for stage in stages.values()
        for kind in ("outs", "metrics", "plots")
        for output in stage.get(kind) or []
        if isinstance(output, dict)
    ]
    return [
        root / str(path)
        for output in outputs
        for path, settings in output.items()
        if isinstance(settings, dict) and settings.get("cache") is False
    ]


def carry_uncached_outputs(project: Path, root: Path) -> None:
    """Copy the outputs of a project that the dvc.lock of a worktree names, so that no stage runs again for them."""
    lock = root / "dvc.lock"
    if not lock.is_file():
        return
    stages: Mapping[str, Any] = read_yaml(lock).get("stages") or {}
    known = {root / out["path"]: out.get("md5") for stage in stages.values() for out in stage.get("outs") or []}
    for output in list_uncached_outputs(root):
        source = project / output.relative_to(root)
        if output.exists() or not source.is_file():
            continue
        if hashlib.md5(source.read_bytes(), usedforsecurity=False).hexdigest() == known.get(output):
            output.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, output)
