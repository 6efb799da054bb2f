"""A project in order, for `seodang doctor`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.constants import ROOT

from seodang.paths import Paths


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Return a project with git, DVC and the default parameters."""
    root = tmp_path / "project"
    root.mkdir()
    for words in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(words, cwd=root, check=True)
    (root / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    subprocess.run(["git", *author, "commit", "-q", "-m", "start"], cwd=root, check=True)
    for key, value in (("user.name", "test"), ("user.email", "test@localhost")):
        subprocess.run(["git", "config", key, value], cwd=root, check=True)
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return Paths(root)
