"""BentoML's stores after failed and killed builds. Run: pytest tests/packaging/test_store_writing.py"""

from __future__ import annotations

import errno
import os
import subprocess
import time
from pathlib import Path

import pytest

from seodang.packaging.bento import find_stored_model, store_model
from seodang.packaging.model_folder import MANIFEST_NAME
from seodang.packaging.store_writing import write_version


def write_bento(stores: Path, version: str, text: str | Exception = "new") -> None:
    with write_version(stores, "bentos", "tiny", version) as store:
        folder = store / "tiny" / version
        folder.mkdir(parents=True)
        (folder / "bento.yaml").write_text(str(text))
        if isinstance(text, Exception):
            raise text


def list_files(stores: Path) -> list[str]:
    return sorted(str(path.relative_to(stores)) for path in stores.rglob("*") if path.is_file())


def test_a_build_that_fails_keeps_the_former_version(tmp_path):
    write_bento(tmp_path, "1", "old")
    with pytest.raises(OSError, match="No space"):
        write_bento(tmp_path, "1", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert list_files(tmp_path) == ["bentos/tiny/1/bento.yaml", "bentos/tiny/latest"]
    assert (tmp_path / "bentos" / "tiny" / "1" / "bento.yaml").read_text() == "old"
    write_bento(tmp_path, "1")
    assert (tmp_path / "bentos" / "tiny" / "1" / "bento.yaml").read_text() == "new"


def test_what_a_killed_build_left_goes_with_the_next_one(tmp_path):
    process = subprocess.Popen(["true"])
    process.wait()
    scratch = tmp_path / f".bentos-tiny-1.{process.pid}.part"
    scratch.mkdir()
    (scratch / "half").write_text("x")
    write_bento(tmp_path, "1")
    assert list_files(tmp_path) == ["bentos/tiny/1/bento.yaml", "bentos/tiny/latest"]


def test_a_folder_that_another_program_writes_now_stays(tmp_path):
    (tmp_path / "bentos" / "tiny" / "2").mkdir(parents=True)
    write_bento(tmp_path, "1")
    assert (tmp_path / "bentos" / "tiny" / "2").is_dir()


def test_a_store_that_bentoml_cannot_read_any_more_works_again(tmp_path, bentoml_home, packaged_model):
    """After a kill of `bentoml models pull`, or a full disk there: no description, and an empty `latest`."""
    import bentoml

    partial = bentoml_home / "models" / "tiny" / "1"
    partial.mkdir(parents=True)
    (partial / "model.safetensors").write_text("half")
    (partial.parent / "latest").touch()
    os.utime(partial, (time.time() - 7200,) * 2)
    with pytest.raises(bentoml.exceptions.BentoMLException):
        bentoml.models.list("tiny")
    with pytest.raises(bentoml.exceptions.BentoMLException):
        bentoml.models.get("tiny:latest")
    tag = store_model(packaged_model, "tiny", "2", {}, MANIFEST_NAME)
    assert [str(model.tag) for model in bentoml.models.list("tiny")] == [tag]
    assert str(bentoml.models.get("tiny:latest").tag) == tag
    assert find_stored_model("tiny:1") is None
