"""Temporary files of killed runs are deleted; those of running ones stay. Run: pytest tests/dvc_state"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from seodang.dvc_state.leftovers import list_leftovers, remove_leftovers
from seodang.paths import Paths
from seodang.stages.workspace import check_workspace


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def create(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("12345")


def age(*files: Path) -> None:
    for file in files:
        os.utime(file, (time.time() - 7200,) * 2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def test_what_killed_runs_left_is_deleted_before_a_run(root, dead_pid, caplog, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(root / "bentoml"))
    cache = ".dvc/cache/files/md5"
    create(root, f"{cache}/.abc.tmp", f"{cache}/a0/.def.tmp", ".dvc/cache/runs/a0/a0b1/.ghi.tmp")
    age(root / f"{cache}/.abc.tmp", root / f"{cache}/a0/.def.tmp", root / ".dvc/cache/runs/a0/a0b1/.ghi.tmp")
    create(
        root,
        f"artifacts/prepare/.sketches.{dead_pid}.part/sketches.u8",
        "artifacts/prepare/.sketches-x1y2/sketches.u8",
        f"artifacts/ingest/.records.jsonl.{dead_pid}.part",
        f".seodang/finished/.train.{dead_pid}.part/key.json",
    )
    kept = [
        f"{cache}/a0/0123456789",
        f"{cache}/a0/.new.tmp",  # a DVC process may write it
        f"artifacts/prepare/.sketches.{os.getpid()}.part/sketches.u8",
        "artifacts/prepare/.gitignore",
        "artifacts/prepare/train.jsonl",
    ]
    create(root, *kept)
    assert len(list_leftovers(root)) == 7
    with caplog.at_level("INFO"):
        check_workspace(Paths(root))
    assert "deleted 7 temporary files of killed runs (0.0 MB)" in caplog.messages
    assert list_leftovers(root) == []
    assert all((root / name).exists() for name in kept)
    assert remove_leftovers(root) == 0


def test_a_shared_cache_is_swept_too(root, tmp_path_factory):
    shared = tmp_path_factory.mktemp("shared")
    subprocess.run(["dvc", "cache", "dir", "-q", str(shared)], cwd=root, check=True)
    create(shared, "files/md5/a0/.old.tmp")
    age(shared / "files/md5/a0/.old.tmp")
    assert remove_leftovers(root) == 5
    assert list(shared.rglob("*.tmp")) == []


def test_an_empty_entry_of_the_run_cache_which_fails_each_later_run_is_deleted(root):
    """DVC makes the folder of an entry before the entry; a kill between the two leaves the folder."""
    (root / "dvc.yaml").write_text("stages: {one: {cmd: echo 1 > one.txt, deps: [in.txt], outs: [one.txt]}}")
    (root / "in.txt").write_text("1")
    subprocess.run(["dvc", "repro", "-q"], cwd=root, check=True)
    (entry,) = (root / ".dvc/cache/runs").glob("*/*/*")
    entry.unlink()
    (root / "dvc.lock").unlink()
    broken = subprocess.run(["dvc", "repro"], cwd=root, capture_output=True, text=True, check=False)
    assert "not 'NoneType'" in broken.stderr
    os.utime(entry.parent, (time.time() + 60,) * 2)
    assert list_leftovers(root) == []  # as new: a process may be about to write into it
    age(entry.parent)
    remove_leftovers(root)
    subprocess.run(["dvc", "repro", "-q"], cwd=root, check=True)
