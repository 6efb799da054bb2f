"""What a failed stage wrote is kept outside of the worktree of its run."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from seodang.orchestration.failures import keep_failed_outputs

DVC_YAML = """
stages:
  validate:
    cmd: seodang stage validate
    outs: [artifacts/validate/quarantine.jsonl, artifacts/validate/data_docs]
    metrics: [artifacts/validate/report.json: {cache: false}]
  inputs:
    cmd: seodang stage inputs
    outs: [inputs.lock: {cache: false, persist: true}]
"""


@pytest.fixture
def worktree(tmp_path: Path) -> SimpleNamespace:
    root = tmp_path / "project" / ".seodang" / "runs" / "params-1" / "tree"
    (root / "artifacts" / "validate" / "data_docs").mkdir(parents=True)
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "inputs.lock").write_text("{}")
    return SimpleNamespace(project=tmp_path / "project", root=root, name="params-1")


def write(worktree: SimpleNamespace, name: str, time: float) -> None:
    (worktree.root / name).write_text("text")
    os.utime(worktree.root / name, (time, time))


def test_files_and_folders_that_the_stage_wrote_are_kept_under_their_paths(worktree):
    for name in ("quarantine.jsonl", "data_docs/index.html", "report.json"):
        write(worktree, f"artifacts/validate/{name}", 1000.0)
    kept = keep_failed_outputs(worktree, "validate", 1000.0)
    assert kept == worktree.project / ".seodang" / "failed" / "params-1"
    assert sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()) == [
        "artifacts/validate/data_docs/index.html",
        "artifacts/validate/quarantine.jsonl",
        "artifacts/validate/report.json",
    ]
    assert not (worktree.root / "artifacts/validate/report.json").exists()


def test_results_from_the_cache_are_no_work_of_the_failed_stage(worktree):
    write(worktree, "artifacts/validate/report.json", 999.0)
    assert keep_failed_outputs(worktree, "validate", 1000.0) is None
    assert keep_failed_outputs(worktree, "inputs", 0.0) is None
    assert not (worktree.project / ".seodang" / "failed").exists()


def test_the_newest_three_runs_are_kept(worktree):
    for number in range(5):
        worktree.name = f"params-{number}"
        write(worktree, "artifacts/validate/report.json", 1000.0)
        kept = keep_failed_outputs(worktree, "validate", 1000.0)
        os.utime(kept, (number, number))
    names = [folder.name for folder in (worktree.project / ".seodang" / "failed").iterdir()]
    assert sorted(names) == ["params-2", "params-3", "params-4"]
