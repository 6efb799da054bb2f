"""Errors of the operating system are reported as such: what, where, what to do."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from seodang.cli.main import main
from seodang.io import os_errors
from seodang.io.jsonl import Writer
from seodang.io.os_errors import describe_os_error


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EACCES, "no permission for /x/a, which belongs to root; change that: "),
        (errno.EROFS, "/x/a is on a read-only file system"),
        (errno.ENOSPC, "the disk is full (/x/a); free some space"),
        (errno.EDQUOT, "the disk is full (/x/a); free some space"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EMFILE, "ulimit -n 4096"),
        (errno.ELOOP, "/x/a is a link that leads back to itself"),
        (errno.ENAMETOOLONG, "use shorter names"),
        (errno.ENOTDIR, "a part of this path is a file and no folder"),
        (errno.EISDIR, "/x/a is a folder, but a file is needed there"),
        (errno.EEXIST, "/x/a is in the way"),
        (errno.EBUSY, "/x/a is in use by another program"),
        (errno.EIO, "the disk or its network share fails (Input/output error)"),
        (errno.ENOENT, "/x/a does not exist, or no longer"),
    ],
)
def test_an_error_of_the_system_ends_with_its_code_and_a_remedy(number, message, monkeypatch, capsys):
    def fail(_: object) -> None:
        raise OSError(number, os.strerror(number), "/x/a")

    monkeypatch.setattr("seodang.cli.report.print_summary", fail)
    assert main(["report"]) == (73 if number in (errno.ENOSPC, errno.EDQUOT) else 2)
    error = capsys.readouterr().err
    assert message in error
    assert "error of seodang itself" not in error


def test_an_error_that_a_library_wrapped_is_found():
    wrapped = ValueError("cannot save")
    wrapped.__cause__ = PermissionError(errno.EACCES, "Permission denied", "/x/a")
    assert "no permission for /x/a" in str(describe_os_error(wrapped))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), "the disk is full"),
        (shutil.Error([("a", "b", "[Errno 13] Permission denied: '/x/b'")]), "no permission for /x/b"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "no permission"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "export TMPDIR=FOLDER"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "the folder of this terminal no longer exists"),
        (MemoryError(), "memory ran out"),
        (sqlite3.OperationalError("disk I/O error"), "the disk or its network share fails"),
        (OSError("4096 requested and 0 written"), "the disk is full"),
        (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"), "the disk is full"),
        (RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"), "the disk is full"),
        (RuntimeError("error: cannot write .git/x: No space left on device"), "the disk is full"),
    ],
)
def test_an_error_of_the_system_in_a_text_is_found(error, message):
    assert message in str(describe_os_error(error))


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("Errno"), OSError(), OSError(errno.EPIPE, "Broken pipe")])
def test_any_other_error_is_none_of_the_system(error):
    assert describe_os_error(error) is None


def test_a_terminal_whose_folder_was_deleted_is_said(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert main(["config", "show"]) == 2
    assert "the folder of this terminal no longer exists" in capsys.readouterr().err


def test_params_that_are_a_folder_are_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "params.yaml").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["config", "show"]) == 2
    assert "params.yaml is a folder, but a file is needed there" in capsys.readouterr().err


def test_a_full_disk_leaves_no_half_written_file_and_the_old_one(tmp_path: Path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    path.write_text("old\n")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"), Writer(path) as writer:
        writer.write({"a": 1})
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]
    assert path.read_text() == "old\n"


def test_a_cut_line_of_timings_is_skipped(tmp_path):
    from seodang.cli.report import read_timings
    from seodang.paths import Paths

    paths = Paths(tmp_path)
    paths.timings.parent.mkdir()
    paths.timings.write_text('{"stage": "base", "seconds": 1}\n{"stage": "ing')
    assert read_timings(paths) == [{"stage": "base", "seconds": 1}]


def test_the_remedy_is_korean_where_the_terminal_is(monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    assert "디스크가 가득 찼습니다" in str(describe_os_error(OSError(errno.ENOSPC, "full", "/x/a")))


def test_a_folder_in_the_place_of_a_file_is_named_and_not_the_file_that_moves_there(tmp_path):
    (tmp_path / "new.part").write_text("x")
    (tmp_path / "report.json").mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        (tmp_path / "new.part").replace(tmp_path / "report.json")
    assert f"{tmp_path / 'report.json'} is a folder, but a file is needed there" in str(describe_os_error(raised.value))


def test_a_full_disk_is_named_where_the_error_names_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    free = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    assert f"the disk is full ({tmp_path}" in str(describe_os_error(OSError(errno.ENOSPC, "full")))


def test_the_file_is_named_and_not_the_temporary_one_that_replaces_it():
    error = PermissionError(errno.EROFS, "read-only", "/x/.params.yaml.4711.part")
    assert "/x/params.yaml is on a read-only file system" in str(describe_os_error(error))
    inside = OSError(errno.EIO, "error", "/x/.model.4711.part/config.json")
    assert "/x/model/config.json: the disk" in str(describe_os_error(inside))


def test_a_failure_of_input_or_output_on_a_full_disk_is_the_full_disk(tmp_path, monkeypatch):
    """SQLite reports it so, and DVC keeps its state in SQLite."""
    error = sqlite3.OperationalError("disk I/O error")
    monkeypatch.setattr(os_errors, "_find_full_disks", list)
    assert "its network share fails" in str(describe_os_error(error))
    assert not os_errors.is_disk_full_error(error)
    monkeypatch.setattr(os_errors, "_find_full_disks", lambda: [tmp_path])
    assert str(describe_os_error(error)).startswith(f"the disk is full ({tmp_path})")
    assert os_errors.is_disk_full_error(error)
    assert os_errors.is_disk_full_error(str(error))
