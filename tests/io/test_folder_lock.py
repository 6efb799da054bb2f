"""One process at a time holds a folder."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
import textwrap

import pytest

from seodang.io import folder_lock

HOLD = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from seodang.io.folder_lock import hold_folder
    with hold_folder(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
""")


def test_only_one_process_holds_a_folder(tmp_path):
    folder = tmp_path / "new" / "ledger"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        descriptor = os.open(tmp_path / "new", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        holder.stdin.close()
        holder.wait(timeout=60)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
    assert list((tmp_path / "new").iterdir()) == []  # nothing that git would see


def test_a_file_system_without_locks_on_folders_has_a_lock_file(tmp_path, monkeypatch):
    flock = fcntl.flock

    def refuse_folders(descriptor, operation):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, operation)

    monkeypatch.setattr(folder_lock.fcntl, "flock", refuse_folders)
    with folder_lock.hold_folder(tmp_path / "ledger"):
        assert list(tmp_path.iterdir()) == []
