"""A small project in git and DVC: the parameters of the embedded run, and two stages that copy text."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.constants import ROOT

from seodang.config.profiles import STARTER

DVC_YAML = """
stages:
  prepare:
    cmd: python -c "import yaml; print(yaml.safe_load(open('params.yaml'))['train']['rank'])" > rank.txt
    params: [train.rank]
    outs: [rank.txt]
  gate:
    cmd: cat rank.txt words.txt > verdict.txt
    deps: [rank.txt, words.txt]
    outs: [verdict.txt: {cache: false}]
"""


@pytest.fixture(scope="session")
def git() -> Callable[..., str]:
    """Runs git in a folder and returns its output."""

    def run(folder: Path, *words: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    return run


@pytest.fixture(scope="session")
def dvc() -> Callable[..., str]:
    """Runs DVC in a folder and returns its output."""
    folder = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    env["PYTHONPATH"] = f"{ROOT / 'src'}{os.pathsep}{ROOT}"

    def run(root: Path, *words: str) -> str:
        done = subprocess.run([folder / "dvc", *words], cwd=root, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def repository(tmp_path_factory, git, dvc) -> Path:
    """The project after its first commit; tests work on copies."""
    root = tmp_path_factory.mktemp("repository") / "project"
    (root / "profiles").mkdir(parents=True)
    (root / "registry").mkdir()
    shutil.copy(STARTER, root / "params.yaml")
    shutil.copy(ROOT / "profiles" / "scratch.yaml", root / "profiles")
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "words.txt").write_text("하나\n", "utf-8")
    (root / ".gitignore").write_text("/.seodang/\n/rank.txt\n/verdict.txt\n")
    git(root, "init", "-q", "-b", "main")
    dvc(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "start")
    return root


@pytest.fixture
def project(repository, tmp_path) -> Path:
    return Path(shutil.copytree(repository, tmp_path / "project", symlinks=True))
