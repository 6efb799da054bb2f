"""Runs in a process whose project is on a small disk: each stage on the full disk, then with room."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

from seodang.cli.main import main
from seodang.paths import Paths
from seodang.stages import STAGES


def fill_disk(folder: Path) -> Path:
    """Fill the disk of a folder to the last block; return the file to delete."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                size = size if file.write(b"\0" * size) else 0
            except OSError:
                size //= 2
    return filler


def list_outputs(paths: Paths) -> dict[str, str]:
    """Return the checksums of the files in `artifacts` and of inputs.lock."""
    files = [*(file for file in paths.artifacts.rglob("*") if file.is_file()), paths.inputs_lock]
    return {str(file.relative_to(paths.root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def run_stages(root: Path) -> list[dict[str, object]]:
    """Run each stage but `package` on a full disk and again with room; return exit codes, changes and leftovers."""
    os.chdir(root)
    paths = Paths(root)
    paths.locks.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for stage in STAGES[: STAGES.index("package")]:
        before = list_outputs(paths)
        filler = fill_disk(root.parent)
        print(f"== {stage}", file=sys.stderr, flush=True)
        code = main(["stage", stage])
        filler.unlink()
        rows.append(
            {
                "stage": stage,
                "code": code,
                "is_unchanged": list_outputs(paths) == before,
                "parts": [str(path.relative_to(root)) for path in root.rglob("*.part")],
                "again": main(["stage", stage]),
            }
        )
    return rows


if __name__ == "__main__":
    rows = run_stages(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(rows), "utf-8")
