"""Folders are replaced atomically, even if a writer is killed. Run: pytest tests/io/test_atomic.py"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from seodang.io.atomic import is_stale_part, make_scratch_folder, replace_folder


def killed_while_replacing(folder: Path) -> None:
    call = (
        "import os, signal; from pathlib import Path; from seodang.io.atomic import replace_folder\n"
        f"with replace_folder(Path({str(folder)!r})) as beside: (beside / 'half').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", call], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=False
    )
    assert done.returncode == -signal.SIGKILL


def test_what_a_killed_process_left_beside_a_folder_is_swept_and_what_a_living_one_writes_is_not(tmp_path):
    folder = tmp_path / "model"
    killed_while_replacing(folder)
    assert [path.name for path in tmp_path.rglob("half")] == ["half"]
    other = tmp_path / f".model.{os.getppid()}.part"
    other.mkdir()
    with replace_folder(folder) as beside:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([beside.name, other.name])
        (beside / "complete").write_text("complete")
    assert sorted(path.name for path in tmp_path.iterdir()) == [other.name, "model"]
    assert [path.name for path in folder.iterdir()] == ["complete"]


def test_a_leftover_with_this_process_s_own_number_is_no_part_of_what_is_written(tmp_path):
    left = tmp_path / f".model.{os.getpid()}.part"
    left.mkdir()
    (left / "half").write_text("half")
    with replace_folder(tmp_path / "model") as beside:
        (beside / "complete").write_text("complete")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["complete"]


def test_a_leftover_whose_writer_s_number_another_process_has_is_swept(tmp_path):
    """As in a container: a process cannot have written what is older than itself."""
    other = subprocess.Popen(["sleep", "60"])
    left = tmp_path / f".model.{other.pid}.part"
    left.mkdir()
    assert not is_stale_part(left)
    os.utime(left, (time.time() - 3600,) * 2)
    assert is_stale_part(left)
    with make_scratch_folder(tmp_path / "model") as scratch:
        assert list(tmp_path.iterdir()) == [scratch]
    assert list(tmp_path.iterdir()) == []
    other.kill()
    other.wait()


def test_every_file_is_flushed_to_disk_once_before_a_folder_takes_its_place(tmp_path, monkeypatch):
    flushed: list[int] = []
    fsync = os.fsync

    def noted(file: int) -> None:
        assert not (tmp_path / "model").exists()
        flushed.append(os.fstat(file).st_ino)
        fsync(file)

    monkeypatch.setattr(os, "fsync", noted)
    with replace_folder(tmp_path / "model") as beside:
        (beside / "training").mkdir()
        for name in ("config.json", "training/report.json"):
            (beside / name).write_text("{}")
    assert sorted(flushed) == sorted(
        path.stat().st_ino for path in (tmp_path / "model", *(tmp_path / "model").rglob("*"))
    )
