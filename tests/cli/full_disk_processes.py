"""Runs in a process whose project is on a small disk: each stage on the full disk, then with room.

In stage `package`, the disk is full at its start, or becomes full right before one of its steps.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from unittest import mock

from seodang.cli.main import main
from seodang.packaging.bento import get_store_folder
from seodang.paths import Paths
from seodang.stages import STAGES

PACKAGE_STEPS = ("require_promotion", "merge", "write_checksums", "store_model", "build_bento", "write_json")


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


def run_package(root: Path) -> list[dict[str, object]]:
    """Run `package` on a disk that becomes full right before one of its steps, each time; then again with room."""
    from seodang.stages import package  # which imports torch

    paths = Paths(root)
    rows: list[dict[str, object]] = []
    with mock.patch.object(package, "check_plain_reader", return_value=0):  # it starts a process with transformers
        for step in PACKAGE_STEPS:
            stored = list_stored()
            print(f"== package before {step}", file=sys.stderr, flush=True)
            with _fill_disk_before(package, step, root.parent):
                code = main(["stage", "package"])
            (root.parent / "filler").unlink()
            rows.append(
                {
                    "stage": f"package before {step}",
                    "code": code,
                    "is_unchanged": all(list_stored().get(name) == sha256 for name, sha256 in stored.items()),
                    "parts": [str(path) for path in root.parent.rglob("*.part")],
                    "again": main(["stage", "package"]),
                }
            )
            rows[-1]["is_complete"] = paths.package_report.is_file() and len(list_stored()) == 2
    return rows


@contextmanager
def _fill_disk_before(package: ModuleType, step: str, disk: Path) -> Iterator[None]:
    run_step = getattr(package, step)

    def fill_and_run(*arguments: object, **options: object) -> object:
        fill_disk(disk)
        return run_step(*arguments, **options)

    with mock.patch.object(package, step, fill_and_run):
        yield


def list_stored() -> dict[str, str]:
    """Return a checksum of each model and bento in BentoML's stores."""
    folders = [folder for kind in ("models", "bentos") for folder in (get_store_folder() / kind).glob("*/*/")]
    return {
        str(folder): hashlib.sha256(b"".join(file.read_bytes() for file in _list_files(folder))).hexdigest()
        for folder in folders
    }


def _list_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix in (".py", ".safetensors"))


if __name__ == "__main__":
    rows = run_stages(Path(sys.argv[1])) + run_package(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(rows), "utf-8")
