"""inputs.lock holds what DVC does not see; an experiment without its inputs is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from seodang.config.load import load_params, merge_overlay
from seodang.config.profiles import STARTER
from seodang.config.yaml_file import read_yaml
from seodang.errors import LicenceRefused, SourceError
from seodang.paths import Paths
from seodang.stages import run_stage

_DVC_YAML = {
    "stages": {
        "base": {"cmd": "x", "deps": ["models/primer-base"]},
        "ingest": {"cmd": "x", "deps": ["data"]},
        "prepare": {"cmd": "x", "deps": ["tasks"]},
        "evaluate": {"cmd": "x", "deps": ["tasks"]},
    }
}
ROW = '{"instruction": "하나 더하기 하나는?", "output": "둘"}\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for folder in ("data", "models/primer-base", "tasks/data"):
        (root / folder).mkdir(parents=True)
    (root / "models" / "primer-base" / "config.json").write_text("{}")
    (root / "models" / "primer-base" / "replay.jsonl").write_text(ROW)
    (root / "dvc.yaml").write_text(yaml.safe_dump(_DVC_YAML))
    _write_params(root, {"ingest": {"sources": [{"name": "own", "path": "data"}]}, "evaluate": {"tasks": []}})
    return root


@pytest.fixture
def record() -> Callable[[Path], dict[str, Any]]:
    """Runs stage `inputs` and returns inputs.lock."""

    def record(root: Path) -> dict[str, Any]:
        paths = Paths(root)
        run_stage("inputs", load_params(paths.params), paths)
        content: dict[str, Any] = json.loads(paths.inputs_lock.read_text("utf-8"))
        assert content.pop("schema") == 1
        return content

    return record


def _write_params(root: Path, overlay: dict[str, Any]) -> None:
    content = merge_overlay(read_yaml(STARTER), overlay)
    (root / "params.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")


def test_nothing_is_recorded_where_dvc_sees_everything(project, record, tmp_path):
    (project / "data" / "a.jsonl").write_text(ROW, "utf-8")
    (tmp_path / "b.jsonl").write_text(ROW, "utf-8")
    (project / "data" / "linked.jsonl").symlink_to(tmp_path / "b.jsonl")  # DVC follows linked files
    assert record(project) == {"base": {}, "ingest": {}, "prepare": {}, "evaluate": {}}


def test_data_that_are_a_link_themselves_are_seen_by_dvc(project, record, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.jsonl").write_text(ROW, "utf-8")
    (project / "data").rmdir()
    (project / "data").symlink_to(tmp_path / "elsewhere")
    assert record(project)["ingest"] == {}


def test_a_file_behind_a_linked_folder_is_recorded_and_its_change_changes_the_record(project, record, tmp_path):
    (tmp_path / "elsewhere" / "sub").mkdir(parents=True)
    file = tmp_path / "elsewhere" / "sub" / "a.jsonl"
    file.write_text(ROW, "utf-8")
    (project / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    before = record(project)["ingest"]
    assert list(before) == ["data/linked/sub/a.jsonl"]
    assert record(project)["ingest"] == before
    file.write_text(ROW * 2, "utf-8")
    assert record(project)["ingest"] != before


@pytest.mark.parametrize(
    "path", ["{outside}", "{outside}/*.jsonl", "{outside}/a.jsonl", "../outside", "file://{outside}"]
)
def test_a_source_outside_data_is_recorded(project, record, tmp_path, path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jsonl").write_text(ROW, "utf-8")
    _write_params(project, {"ingest": {"sources": [{"name": "own", "path": path.format(outside=outside)}]}})
    names = list(record(project)["ingest"])
    assert names == (["../outside/a.jsonl"] if path.startswith("..") else [f"{outside}/a.jsonl"])


def test_a_model_elsewhere_is_recorded_and_its_change_changes_the_record(project, record):
    (project / "mine").mkdir()
    weights = project / "mine" / "model.safetensors"
    weights.write_bytes(b"1")
    _write_params(project, {"model": {"source": "path", "path": "mine", "sha256": None}})
    before = record(project)["base"]
    assert list(before) == ["mine/model.safetensors"]
    weights.write_bytes(b"2")
    assert record(project)["base"] != before


def test_texts_of_a_base_from_scratch_are_recorded(project, record, tmp_path):
    (tmp_path / "news.txt").write_text("글", "utf-8")
    (tmp_path / "data.noun").write_text("", "utf-8")
    scratch = read_yaml(STARTER.parents[3] / "profiles" / "scratch.yaml")["model"]
    files = {"texts": [str(tmp_path / "news.txt")], "episodes": {"wordnet": str(tmp_path)}}
    _write_params(project, {"model": merge_overlay(scratch, {"scratch": files})})
    assert list(record(project)["base"]) == [str(tmp_path / "data.noun"), str(tmp_path / "news.txt")]


def test_a_file_that_dvc_ignores_is_recorded(project, record):
    (project / "data" / "a.jsonl").write_text(ROW, "utf-8")
    (project / ".dvcignore").write_text("*.jsonl\n")
    assert list(record(project)["ingest"]) == ["data/a.jsonl"]


def test_the_data_of_a_task_outside_tasks_are_recorded(project, record, tmp_path):
    task = STARTER.parents[3] / "tasks" / "retention.yaml"
    (project / "tasks" / "retention.yaml").write_text(task.read_text("utf-8"), "utf-8")
    name = read_yaml(task)["data"]["file"]
    (tmp_path / "items").mkdir()
    (tmp_path / "items" / name).write_text(ROW, "utf-8")
    evaluate = {"tasks": ["retention"], "data_folder": str(tmp_path / "items")}
    _write_params(project, {"evaluate": evaluate})
    content = record(project)
    assert list(content["evaluate"]) == [str(tmp_path / "items" / name)]
    assert content["prepare"] == content["evaluate"]  # preference records are compared with the items


def _start_experiment(project: Path) -> Path:
    """Make the folder of an experiment as `dvc exp run --temp` does: a clone of what git tracks."""
    pointers = [str(path) for path in project.glob("data/*.dvc")]
    for words in (["init", "-q"], ["add", "dvc.yaml", "params.yaml", "models", *pointers], ["commit", "-qm", "start"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@l", *words], cwd=project, check=True)
    folder = project / ".dvc" / "tmp" / "exps" / "standalone" / "tmpabc"
    subprocess.run(["git", "clone", "-q", str(project), str(folder)], check=True)
    (folder / "data").mkdir(exist_ok=True)
    return folder


def test_an_experiment_without_data_that_nobody_tracks_is_refused_with_commands(project, record):
    (project / "data" / "mine.jsonl").write_text(ROW, "utf-8")
    folder = _start_experiment(project)
    with pytest.raises(SourceError) as caught:
        record(folder)
    assert "neither git nor DVC tracks: data/mine.jsonl" in str(caught.value)
    assert "dvc add data/mine.jsonl && git add data" in str(caught.value)
    assert "--copy-paths data/mine.jsonl" in str(caught.value)


def test_an_experiment_that_has_its_data_runs(project, record):
    (project / "data" / "mine.jsonl").write_text(ROW, "utf-8")
    folder = _start_experiment(project)
    (folder / "data" / "mine.jsonl").write_text(ROW, "utf-8")
    assert record(folder)["ingest"] == {}


def test_data_that_dvc_tracks_are_left_to_dvc(project, record):
    """A file added to the project after an experiment was queued is no part of the experiment."""
    (project / "data" / "mine.jsonl").write_text(ROW, "utf-8")
    (project / "data" / "mine.jsonl.dvc").write_text("outs: []\n")
    assert record(_start_experiment(project))["ingest"] == {}


def test_a_dvc_file_that_git_does_not_track_is_not_enough(project, record):
    (project / "data" / "mine.jsonl").write_text(ROW, "utf-8")
    folder = _start_experiment(project)
    (project / "data" / "mine.jsonl.dvc").write_text("outs: []\n")
    with pytest.raises(SourceError, match="git add data"):
        record(folder)


def test_a_linked_folder_in_an_experiment_is_named_as_one_that_dvc_cannot_track(project, record, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.jsonl").write_text(ROW, "utf-8")
    (project / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="first replace data/linked by their files"):
        record(_start_experiment(project))


@pytest.fixture
def store(project: Path) -> Any:
    """A store that is not on this disk, with one file; params.yaml names it."""
    import fsspec

    _write_params(project, {"ingest": {"sources": [{"name": "own", "path": "memory://bucket/a.jsonl"}]}})
    system = fsspec.filesystem("memory")
    system.pipe("/bucket/a.jsonl", ROW.encode())
    yield system
    system.store.clear()


def test_a_changed_file_of_a_store_changes_inputs_lock_without_a_download(project, store, record, monkeypatch):
    first = record(project)["ingest"]
    assert list(first) == ["memory://bucket/a.jsonl"]
    assert record(project)["ingest"] == first
    store.pipe("/bucket/a.jsonl", (ROW * 2).encode())
    monkeypatch.setattr(type(store), "cat_file", None)
    assert record(project)["ingest"] != first


def test_a_store_that_does_not_answer_keeps_its_last_version_and_is_named(project, store, record, caplog):
    first = record(project)["ingest"]
    store.store.clear()
    assert record(project)["ingest"] == first
    assert (
        "memory://bucket/a.jsonl does not exist; check bucket and path; a change of these files would not be"
        in caplog.text
    )


def test_a_pinned_source_is_not_watched(project, record):
    source = {"name": "own", "path": "https://example.invalid/a.jsonl", "sha256": "0" * 64}
    _write_params(project, {"ingest": {"sources": [source]}})
    assert record(project)["ingest"] == {}


def test_a_forbidden_use_is_refused_before_anything_is_downloaded(project, record):
    source = {"name": "koalpaca", "path": "data", "licence": "CC-BY-NC-4.0"}
    _write_params(
        project, {"ingest": {"sources": [source]}, "evaluate": {"tasks": []}, "package": {"intended_use": "commercial"}}
    )
    with pytest.raises(LicenceRefused, match=r"(?s)nothing is downloaded or trained.*without the source koalpaca"):
        record(project)
    assert not Paths(project).inputs_lock.exists()
    source["licence"] = "CC-BY-4.0"
    _write_params(
        project, {"ingest": {"sources": [source]}, "evaluate": {"tasks": []}, "package": {"intended_use": "commercial"}}
    )
    record(project)
