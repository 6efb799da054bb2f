"""A long stage that ended before DVC stored its result is not computed again."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from seodang.paths import Paths
from seodang.stages.kept_results import (
    compute_key,
    discard_stored_results,
    keep_result,
    keeps_result,
    restore_result,
)

_PARAMETERS = {"train": {"epochs": 1.0}}
_PIPELINE = "stages:\n  train:\n    cmd: seodang stage train\n    deps: [data, src]\n"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return a project whose stage `train` has ended; DVC has stored nothing."""
    (tmp_path / "dvc.yaml").write_text(_PIPELINE)
    for name in ("data/a.jsonl", "src/train.py", "artifacts/train/report.json", "artifacts/train/adapter/weights"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    paths = Paths(tmp_path)
    keep_result("train", compute_key("train", _PARAMETERS, paths), paths)
    return paths


def delete_outputs(paths: Paths) -> None:
    """Delete what DVC deletes before it runs the stage."""
    (paths.root / "artifacts/train/report.json").unlink()
    (paths.root / "artifacts/train/adapter/weights").unlink()


def test_an_unchanged_stage_gets_its_files_back(paths):
    delete_outputs(paths)
    assert restore_result("train", compute_key("train", _PARAMETERS, paths), paths)
    for name in ("report.json", "adapter/weights"):
        assert (paths.root / "artifacts" / "train" / name).read_text() == f"artifacts/train/{name}"


def test_an_unchanged_stage_gets_its_files_back_in_another_folder(paths, tmp_path_factory):
    """Each run of a flow has a worktree of its own, whose files are new ones."""
    delete_outputs(paths)
    other = Paths(Path(shutil.copytree(paths.root, tmp_path_factory.mktemp("run") / "tree", copy_function=shutil.copy)))
    assert restore_result("train", compute_key("train", _PARAMETERS, other), other)
    assert (other.root / "artifacts/train/report.json").exists()


@pytest.mark.parametrize("change", ["parameter", "data", "new file", "code", "inputs.lock"])
def test_a_change_runs_the_stage_again(paths, change):
    match change:
        case "data":
            (paths.root / "data" / "a.jsonl").write_text("other")
        case "new file":
            (paths.root / "data" / "b.jsonl").write_text("")
        case "code":
            (paths.root / "src" / "train.py").write_text("other")
        case "inputs.lock":
            paths.inputs_lock.write_text("{}")
    parameters = {"train": {"epochs": 2.0}} if change == "parameter" else _PARAMETERS
    delete_outputs(paths)
    assert not restore_result("train", compute_key("train", parameters, paths), paths)
    assert not (paths.root / "artifacts/train/report.json").exists()


def test_a_result_that_dvc_has_stored_is_deleted_so_that_force_computes_again(paths):
    discard_stored_results(paths)
    assert (paths.finished / "train").exists()
    digest = hashlib.md5((paths.root / "artifacts/train/report.json").read_bytes()).hexdigest()
    (paths.root / "dvc.lock").write_text(f"  - path: artifacts/train/report.json\n    md5: {digest}\n")
    discard_stored_results(paths)
    assert not (paths.finished / "train").exists()
    assert (paths.root / "artifacts/train/adapter/weights").exists()
    assert not restore_result("train", compute_key("train", _PARAMETERS, paths), paths)


def test_a_damaged_note_is_no_result(paths):
    (paths.finished / "train" / "key.json").write_text("")
    assert not restore_result("train", compute_key("train", _PARAMETERS, paths), paths)


@pytest.mark.parametrize(
    ("stage", "environment", "expected"),
    [
        ("train", {"DVC_STAGE": "train"}, True),
        ("train", {}, False),
        ("package", {"DVC_STAGE": "package"}, False),
        ("train", {"DVC_STAGE": "train", "WORLD_SIZE": "2"}, False),
    ],
)
def test_only_long_stages_that_dvc_runs_are_kept(monkeypatch, stage, environment, expected):
    for name in ("DVC_STAGE", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert keeps_result(stage) is expected
