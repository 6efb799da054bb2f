"""A clone serves the packaged model after `dvc pull`. Run: pytest -m slow tests/cli/test_clone.py"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.constants import KOREAN, ROOT

from seodang.io.jsonl import write_json
from seodang.models.checkpoints import compute_weights_sha256
from seodang.packaging.model_folder import compute_content_version, read_manifest
from seodang.paths import Paths

pytestmark = pytest.mark.slow
SCRIPTS = Path(sys.executable).parent
DVC_YAML = """stages:
  package:
    cmd: seodang stage package
    deps: [bentofile.yaml]
    outs: [artifacts/package/model, artifacts/package/report.json]
"""


def run(folder: Path, *words: str) -> None:
    program = [str(SCRIPTS / words[0])] if (SCRIPTS / words[0]).exists() else [words[0]]
    author = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    environment = {**os.environ, **author, "DVC_NO_ANALYTICS": "1"}
    result = subprocess.run(
        [*program, *words[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{words}: {result.stderr[-2000:]}"


@pytest.fixture
def clone(tmp_path: Path, packaged_model: Path, copy_project) -> Path:
    """Make a project with a packaged model, push it to a remote folder, and return a clone without artifacts."""
    paths = Paths(copy_project(tmp_path / "project"))
    shutil.copytree(packaged_model, paths.merged_model)
    tag = f"tiny:{compute_content_version(packaged_model, read_manifest(packaged_model).fingerprint)}"
    report: dict[str, Any] = {
        "model_tag": tag,
        "bento_tag": tag,
        "weights_sha256": compute_weights_sha256(packaged_model),
        "lineage": {"params": {"prompt": {"format": "koalpaca"}}},
    }
    write_json(paths.package_report, report)
    (paths.root / "dvc.yaml").write_text(DVC_YAML, "utf-8")
    (paths.root / ".gitignore").write_text("/artifacts/\n", "utf-8")
    run(paths.root, "git", "init", "-q")
    run(paths.root, "dvc", "init", "-q")
    run(paths.root, "dvc", "remote", "add", "-d", "local", str(tmp_path / "remote"))
    run(paths.root, "dvc", "commit", "-f", "package")
    run(paths.root, "dvc", "push", "-q")
    run(paths.root, "git", "add", "-A")
    run(paths.root, "git", "commit", "-q", "-m", "package")
    run(tmp_path, "git", "clone", "-q", str(paths.root), "clone")
    assert not (tmp_path / "clone" / "artifacts").exists()
    return tmp_path / "clone"


def test_a_clone_serves_the_pulled_model(clone, find_free_port: Callable[[], int], run_server, ask_in_korean, tmp_path):
    environment = {
        **os.environ,
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "PYTHONPATH": str(ROOT / "src"),
        "SEODANG_LANG": "en",
    }
    port = find_free_port()
    serve, url = [str(SCRIPTS / "seodang"), "serve", "--port", str(port)], f"http://127.0.0.1:{port}"
    missing = subprocess.run(serve, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert missing.returncode == 2
    assert "is not on this machine; fetch it: dvc pull package" in missing.stderr
    run(clone, "dvc", "pull", "-q", "package")
    with run_server(serve, url, cwd=clone, environment=environment, log=tmp_path / "serve.log"):
        assert ask_in_korean(url)["output"] == KOREAN[2]
