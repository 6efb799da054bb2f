"""DVC's files after kills and a full disk are repaired, and a running DVC is left alone. Run: pytest tests/dvc_state"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seodang.dvc_state.lock_file import cut_to_complete_stages, is_damaged, list_stages
from seodang.dvc_state.lock_holders import list_living_holders
from seodang.dvc_state.repair import find_damage, repair_dvc_files

_WAIT = "import sys; sys.stdin.readline()"
_STAGES = {name: {"cmd": f"seodang stage {name}", "deps": [{"path": "in", "md5": "0" * 32}]} for name in "abc"}
_LOCK = "schema: '2.0'\nstages:\n" + "".join(
    f"  {name}:\n    cmd: {stage['cmd']}\n    deps:\n    - path: in\n      hash: md5\n      md5: {'0' * 32}\n"
    for name, stage in _STAGES.items()
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project with DVC's folder of locks."""
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / ".dvc" / "config").touch()
    return tmp_path


@pytest.fixture
def start_process() -> Iterator[Callable[..., int]]:
    """Starts a process with these words behind its program, which waits; returns its id."""
    processes = []

    def start_process(*words: str) -> int:
        processes.append(subprocess.Popen([sys.executable, "-c", _WAIT, *words], stdin=subprocess.PIPE))
        return processes[-1].pid

    yield start_process
    for process in processes:
        process.communicate(b"\n")


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def write_rwlock(root: Path, *holders: tuple[int, str]) -> Path:
    """Write the entries of holders, each of one path that it writes and one that it reads."""
    file = root / ".dvc" / "tmp" / "rwlock"
    infos = [{"pid": pid, "cmd": command} for pid, command in holders]
    file.write_text(
        json.dumps({"write": {f"/out{i}": info for i, info in enumerate(infos)}, "read": {"/in": infos}}), "utf-8"
    )
    return file


def test_the_entry_of_a_dead_process_is_removed_and_that_of_a_living_one_stays(root, start_process, dead_pid):
    alive = start_process("dvc", "repro")
    file = write_rwlock(root, (dead_pid, "dvc repro"), (alive, "dvc repro"))
    (message,) = repair_dvc_files(root)
    assert f"{dead_pid} (dvc repro)" in message
    kept = {"pid": alive, "cmd": "dvc repro"}
    assert json.loads(file.read_text()) == {"write": {"/out1": kept}, "read": {"/in": [kept]}}
    assert [holder.pid for holder in list_living_holders(root)] == [alive]


def test_a_process_that_got_the_id_of_a_dead_one_holds_nothing(root, start_process):
    """As in a container, where ids are small: by its start after the entry, or as another program."""
    later, other = start_process("dvc", "repro"), start_process("sleep")
    file = write_rwlock(root, (later, "dvc repro"))
    os.utime(file, (time.time() - 3600,) * 2)
    assert list_living_holders(root) == []
    assert len(repair_dvc_files(root)) == 1
    assert json.loads(file.read_text()) == {}
    write_rwlock(root, (other, "/venv/bin/dvc repro"))
    assert list_living_holders(root) == []


def test_a_process_without_dvc_in_its_name_holds_what_it_locked_itself(root, start_process):
    """As a notebook that uses DVC as a library: the entry names its program."""
    alive = start_process("/opt/kernel_launcher.py", "-f", "x")
    write_rwlock(root, (alive, "/opt/kernel_launcher.py -f x"))
    assert repair_dvc_files(root) == []
    assert [holder.pid for holder in list_living_holders(root)] == [alive]


@pytest.mark.parametrize("content", ["", '{"a": ', "\0\0\0", "[1]", '{"a": 3}', '{"write": {"/x": 3}}', '{"read": []}'])
@pytest.mark.parametrize("name", ["rwlock", "exps/rwlock"])
def test_a_damaged_lock_file_is_removed_and_logged(root, caplog, name, content):
    file = root / ".dvc" / "tmp" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    assert (
        repair_dvc_files(root)
        == caplog.messages
        == [f"repaired: DVC's lock file .dvc/tmp/{name} is damaged, as after a kill"]
    )
    assert not file.exists()


def test_nothing_is_repaired_while_dvc_writes(root, dead_pid):
    """DVC empties its files before it writes them, so they look damaged for a moment."""
    import zc.lockfile

    (root / "dvc.lock").write_text("")
    file = root / ".dvc" / "tmp" / "rwlock"
    file.write_text("")
    lock = zc.lockfile.LockFile(str(root / ".dvc" / "tmp" / "lock"))  # as DVC takes it
    assert repair_dvc_files(root) == []
    assert (file.exists(), (root / "dvc.lock").exists()) == (True, True)
    lock.close()
    assert len(repair_dvc_files(root)) == 2
    assert find_damage(root) == []


def test_a_cut_dvc_lock_keeps_its_complete_stages():
    """Cut at each length: what is left is a start of the file, up to the head of the last stage."""
    for cut in (_LOCK[:size] for size in range(len(_LOCK))):
        if is_damaged(cut):
            kept = cut_to_complete_stages(cut)
            assert kept is None or _LOCK.startswith(kept)
            heads = sum(f"\n  {name}:" in cut for name in "bc")
            assert (list_stages(kept) if kept else []) == list("ab")[:heads]


@pytest.mark.parametrize("rest", ["", "\0" * 600, "\n"])
def test_a_damaged_dvc_lock_is_replaced_and_a_copy_is_kept(root, rest):
    """Cut by a full disk; filled with zeros after a power cut."""
    damaged = _LOCK[: _LOCK.index("  c:") + 12] + rest
    (root / "dvc.lock").write_text(damaged)
    (message,) = repair_dvc_files(root)
    assert "its complete stages (a, b) are kept" in message
    assert (root / "dvc.lock").read_text() == _LOCK[: _LOCK.index("  c:")]
    assert (root / ".dvc" / "tmp" / "dvc.lock.damaged").read_text() == damaged
    assert repair_dvc_files(root) == []


def test_an_empty_dvc_lock_is_removed(root):
    """DVC refuses an empty one."""
    (root / "dvc.lock").touch()
    assert "complete stages (none)" in repair_dvc_files(root)[0]
    assert not (root / "dvc.lock").exists()


def test_a_conflict_in_dvc_lock_is_left_to_the_user(root):
    (root / "dvc.lock").write_text("schema: '2.0'\n<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> other\n")
    assert repair_dvc_files(root) == []


def test_the_messages_are_translated(root, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    (root / ".dvc" / "tmp" / "rwlock").touch()
    assert repair_dvc_files(root) == ["고침: DVC 잠금 파일 .dvc/tmp/rwlock이 손상됐습니다(실행이 강제 종료됐을 때처럼)"]
