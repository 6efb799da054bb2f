"""Which base a plan is about: never one that only has the same name. Run: pytest tests/training/planning/test_base.py"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from base_cases import model_params, run
from tiny_models import make_tiny_model

from seodang.io.jsonl import write_json
from seodang.paths import Paths
from seodang.training.planning.base import find_base
from seodang.training.planning.plan import Base


@pytest.fixture
def project(tmp_path: Path) -> Path:
    make_tiny_model(tmp_path / "mine")
    shutil.copytree(tmp_path / "mine", tmp_path / "other")
    return tmp_path


def found(project: Path, **changes: Any) -> Base:
    paths = Paths(project)
    return find_base(
        model_params(**changes), paths.base, paths.base_report, paths.root, paths.model_cache, paths.downloads
    )


def gguf(sha256: str) -> dict[str, Any]:
    return {
        "source": "gguf-package",
        "gguf": {
            "package": "seodang_test_gguf",
            "version": "1.0.0",
            "file": "tiny.gguf",
            "sha256": sha256,
            "licence": "Apache-2.0",
        },
    }


def test_the_base_that_stands_there_is_planned_when_it_is_the_one_named(project):
    run(project, source="path", path="mine")
    assert found(project, source="path", path="mine").folder == Paths(project).base


def test_another_folder_under_the_same_name_is_another_base(project):
    run(project, source="path", path="mine")
    assert found(project, source="path", path="other").folder == project / "other"


def test_another_gguf_under_the_same_name_is_another_base(project):
    cache = Paths(project).model_cache
    cache.mkdir(parents=True)
    for folder, sha256 in (("mine", "ab" * 32), ("other", "cd" * 32)):
        (project / folder).rename(cache / sha256)
    run(project, **gguf("ab" * 32))
    assert found(project, **gguf("ab" * 32)).folder == Paths(project).base
    assert found(project, **gguf("cd" * 32)).folder == cache / ("cd" * 32)


def test_a_model_of_the_same_name_and_commit_in_another_place_on_the_hub_is_another_base(project):
    commit = {"source": "hub", "revision": "ab" * 20}
    for owner, folder in (("someone", "mine"), ("another", "other")):
        place = Paths(project).downloads / "hub" / "models" / f"{owner}--tiny" / commit["revision"]
        place.parent.mkdir(parents=True)
        shutil.copytree(project / folder, place)
    make_tiny_model(Paths(project).base)
    write_json(
        Paths(project).base_report,
        {"name": "tiny", **commit, "hub": "someone/tiny", "path_sha256": None, "gguf_sha256": None},
    )
    assert found(project, **commit, hub="someone/tiny").folder == Paths(project).base
    assert found(project, **commit, hub="another/tiny").folder == place


def test_a_report_from_before_the_place_was_written_counts_as_another_base_s(project):
    run(project, source="path", path="mine")
    write_json(Paths(project).base_report, {"name": "tiny", "source": "path", "revision": None})
    assert found(project, source="path", path="mine").folder == project / "mine"
