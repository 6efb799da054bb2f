"""The base of a plan: never another base with the same name. Run: pytest tests/training/planning/test_base.py"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from seodang.io.jsonl import write_json
from seodang.paths import Paths
from seodang.training.planning.base import Base, find_base


@pytest.fixture
def project(tmp_path: Path, make_tiny_model) -> Path:
    make_tiny_model(tmp_path / "mine")
    shutil.copytree(tmp_path / "mine", tmp_path / "other")
    return tmp_path


@pytest.fixture(scope="module")
def find(build_model_params):
    def find(project: Path, **changes: Any) -> Base:
        paths = Paths(project)
        return find_base(
            build_model_params(**changes), paths.base, paths.base_report, paths.root, paths.model_cache, paths.downloads
        )

    return find


def test_the_output_of_stage_base_is_planned_if_it_is_the_configured_base(project, find, run_base_stage):
    run_base_stage(project, source="path", path="mine")
    assert find(project, source="path", path="mine").folder == Paths(project).base


def test_another_folder_under_the_same_name_is_another_base(project, find, run_base_stage):
    run_base_stage(project, source="path", path="mine")
    assert find(project, source="path", path="other").folder == project / "other"


def test_another_gguf_under_the_same_name_is_another_base(project, find, run_base_stage, build_gguf_changes):
    cache = Paths(project).model_cache
    cache.mkdir(parents=True)
    for folder, sha256 in (("mine", "ab" * 32), ("other", "cd" * 32)):
        (project / folder).rename(cache / sha256)
    run_base_stage(project, **build_gguf_changes("ab" * 32))
    assert find(project, **build_gguf_changes("ab" * 32)).folder == Paths(project).base
    assert find(project, **build_gguf_changes("cd" * 32)).folder == cache / ("cd" * 32)


def test_a_model_of_the_same_name_and_commit_of_another_owner_on_the_hub_is_another_base(
    project, find, make_tiny_model
):
    commit = {"source": "hub", "revision": "ab" * 20}
    for owner, folder in (("someone", "mine"), ("another", "other")):
        target = Paths(project).downloads / "hub" / "models" / f"{owner}--tiny" / commit["revision"]
        target.parent.mkdir(parents=True)
        shutil.copytree(project / folder, target)
    make_tiny_model(Paths(project).base)
    write_json(
        Paths(project).base_report,
        {"name": "tiny", **commit, "hub": "someone/tiny", "path_sha256": None, "gguf_sha256": None},
    )
    assert find(project, **commit, hub="someone/tiny").folder == Paths(project).base
    assert find(project, **commit, hub="another/tiny").folder == target


def test_a_report_without_the_source_counts_as_another_base_s(project, find, run_base_stage):
    run_base_stage(project, source="path", path="mine")
    write_json(Paths(project).base_report, {"name": "tiny", "source": "path", "revision": None})
    assert find(project, source="path", path="mine").folder == project / "mine"
