"""Run in a process with a small disk of its own: every stage on a full disk, then with room."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from seodang.cli.main import main
from seodang.paths import Paths
from seodang.stages import STAGES

_BLOCK = 4096  # bytes
# `report` and `gate` hold the time at which they ran.
_CHANGING = ("report.json", "seconds", "manifest.json", "verdict.json", ".html", "docs", "live", "profile.json")


def fill_disk(folder: Path, leave: int) -> Path:
    """Fill the disk of a folder; return the file to delete.

    Args:
        folder: On the disk.
        leave: Bytes that stay free.
    """
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        while (free := os.statvfs(folder).f_bavail * _BLOCK - leave) > 0:
            try:
                file.write(b"\0" * min(free, 1 << 20))
            except OSError:
                break
    return filler


def list_outputs(paths: Paths) -> dict[str, str]:
    """Return the checksums of the files in `artifacts` and of inputs.lock."""
    files = [*(file for file in paths.artifacts.rglob("*") if file.is_file()), paths.inputs_lock]
    return {str(file.relative_to(paths.root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def run_stages(root: Path, leave: int) -> list[dict[str, object]]:
    """Run each stage on a full disk and again with room; return what happened.

    Args:
        root: A project whose stages have run up to `report`.
        leave: Bytes that stay free on the full disk.
    """
    os.chdir(root)
    paths = Paths(root)
    rows: list[dict[str, object]] = []
    for stage in STAGES[: STAGES.index("package")]:
        before = list_outputs(paths)
        filler = fill_disk(root.parent, leave)
        print(f"== {stage}", file=sys.stderr, flush=True)
        full = main(["stage", stage])
        filler.unlink()
        after = list_outputs(paths)
        parts = [str(path) for path in root.rglob("*.part")]
        damaged = [name for name, digest in after.items() if before.get(name) != digest]
        print(f"== {stage} again", file=sys.stderr, flush=True)
        again = main(["stage", stage])
        changed = [
            name for name, digest in list_outputs(paths).items() if before.get(name) != digest and not _may_change(name)
        ]
        rows.append(
            {"stage": stage, "full": full, "damaged": damaged, "parts": parts, "again": again, "changed": changed}
        )
    return rows


def _may_change(name: str) -> bool:
    return any(part in name for part in _CHANGING)


if __name__ == "__main__":
    print(json.dumps(run_stages(Path(sys.argv[1]), int(sys.argv[2]))))
