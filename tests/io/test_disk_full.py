"""Every writer reports a full disk. Run: pytest tests/io/test_disk_full.py"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from seodang.errors import ModelError
from seodang.io.disk_full import is_disk_full, translate_disk_full
from seodang.io.hub_errors import describe_hub_error


def one_file(folder: Path) -> None:
    shutil.copyfile(folder / "from" / "a", folder / "to" / "a")


def a_folder(folder: Path) -> None:
    shutil.copytree(folder / "from", folder / "to", dirs_exist_ok=True, copy_function=shutil.copyfile)


@pytest.mark.parametrize("write", [one_file, a_folder])
def test_writing_to_a_full_disk_gives_one_message(tmp_path: Path, write: Callable[[Path], None]):
    for name in ("from", "to"):
        (tmp_path / name).mkdir()
    (tmp_path / "from" / "a").write_text("text")
    (tmp_path / "to" / "a").symlink_to("/dev/full")
    message = "the disk became full while a was copied; no partial file was left there: free some space and run the same command again"
    with pytest.raises(ModelError, match=message), translate_disk_full("a was copied"):
        write(tmp_path)


def test_the_end_of_a_quota_is_a_full_disk_and_another_error_is_not():
    assert is_disk_full(OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)))
    assert not is_disk_full(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    assert not is_disk_full(ValueError("no such model"))


def test_the_message_about_a_full_disk_is_translated(monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(ModelError, match="디스크가 가득 찼습니다: 복사"), translate_disk_full("복사"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_another_error_passes_unchanged():
    with pytest.raises(PermissionError), translate_disk_full("a was copied"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_full_disk_is_not_blamed_on_the_hub():
    message = describe_hub_error(
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "dataset", "a commit, tag or branch of it"
    )
    assert (
        message == "the disk became full; free some space, then run the same command again: downloaded files are kept"
    )
