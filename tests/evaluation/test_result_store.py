"""Results of an evaluation serve the next one, unless anything that they depend on has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seodang.evaluation import result_store
from seodang.evaluation.result_store import ResultStore, collect_settings, compute_request_digest
from seodang.models.device import describe_arithmetic

SETTINGS = {"precision": "fp32", "code": "1"}
REQUEST = ("options", 4096, [([1, 2], [[3], [4]])])
RESULTS = [[[-0.1, 1], [-2.5, 1]]]


@pytest.fixture
def weights(tmp_path: Path) -> list[Path]:
    """Return the folders of a base and an adapter."""
    folders = [tmp_path / "base", tmp_path / "adapter"]
    for folder in folders:
        folder.mkdir()
        (folder / "model.safetensors").write_text(folder.name)
    return folders


@pytest.fixture
def folder(tmp_path: Path, weights: list[Path]) -> Path:
    """Return a folder with a kept result."""
    with ResultStore(tmp_path / "results", SETTINGS) as store:
        store.open_model(weights).add(compute_request_digest(REQUEST), RESULTS)
    return tmp_path / "results"


def find(folder: Path, weights: list[Path], request: object = REQUEST, settings: object = None) -> object:
    with ResultStore(folder, settings or SETTINGS) as store:
        return store.open_model(weights).find(compute_request_digest(request))


def test_an_equal_request_to_equal_weights_gets_the_kept_result(folder, weights, tmp_path):
    assert find(folder, weights) == RESULTS
    moved = [path.rename(tmp_path / f"moved-{path.name}") for path in weights]  # as in the worktree of another run
    assert find(folder, moved) == RESULTS


@pytest.mark.parametrize("changed", ["weights", "another file", "settings", "token", "batch"])
def test_whatever_changes_there_is_no_kept_result(folder, weights, changed):
    request, settings = REQUEST, SETTINGS
    match changed:
        case "weights":
            (weights[1] / "model.safetensors").write_text("other")
        case "another file":
            (weights[0] / "config.json").write_text("{}")
        case "settings":
            settings = {**SETTINGS, "precision": "bf16"}
        case "token":
            request = ("options", 4096, [([1, 9], [[3], [4]])])
        case "batch":
            request = ("options", 2048, REQUEST[2])
    assert find(folder, weights, request, settings) is None


def test_precision_threads_and_code_are_settings(monkeypatch, tmp_path):
    settings = collect_settings("fp32", describe_arithmetic("cpu"))
    assert settings == collect_settings("fp32", describe_arithmetic("cpu"))
    assert settings["arithmetic"]["threads"] >= 1
    others = [collect_settings("bf16", describe_arithmetic("cpu")), collect_settings("fp32", {"threads": 99})]
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "runner.py").write_text("changed")
    monkeypatch.setattr(result_store, "__file__", str(tmp_path / "evaluation" / "result_store.py"))
    others.append(collect_settings("fp32", describe_arithmetic("cpu")))
    assert settings not in others


@pytest.mark.parametrize("damage", ["-0.1", "a byte", "cut", "empty"])
def test_a_damaged_file_is_reported_and_replaced(folder, weights, caplog, damage):
    (file,) = folder.iterdir()
    content = file.read_bytes()
    damaged = {
        "-0.1": content.replace(b"-0.1", b"-0.7"),
        "a byte": content + b"\xff",
        "cut": content[:-20],
        "empty": b"",
    }
    file.write_bytes(damaged[damage])
    assert find(folder, weights) is None
    assert f"the kept results in {file} are damaged; the model is evaluated again" in caplog.text
    with ResultStore(folder, SETTINGS) as store:
        store.open_model(weights).add(compute_request_digest(REQUEST), RESULTS)
    assert file.read_bytes() == content


def test_the_folder_stays_small(folder, weights, monkeypatch):
    monkeypatch.setattr(result_store, "_MAX_BYTES", 600)
    for number in range(20):
        with ResultStore(folder, SETTINGS) as store:
            store.open_model(weights).add(compute_request_digest(number), RESULTS)
    (file,) = folder.iterdir()
    assert file.stat().st_size < 1000
    assert find(folder, weights, 19) == RESULTS  # the newest
    assert find(folder, weights, 0) is None
    os.utime(file, (1, 1))
    for number in range(9):
        with ResultStore(folder, {"precision": str(number)}) as store:
            store.open_model(weights).add(compute_request_digest(number), RESULTS)
    assert len(list(folder.iterdir())) == 8
    assert not file.exists()


def test_a_full_disk_does_not_fail_the_evaluation(folder, weights):
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("no folder can be made here")
    with ResultStore(folder, SETTINGS) as store:
        store.open_model(weights).add(compute_request_digest(REQUEST), RESULTS)
