"""A project of its own with the real stages, on a model made in the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from tiny_models import make_tiny_model

from seodang.config.load import merge_overlay, read_yaml
from seodang.config.profiles import STARTER

ROOT = Path(__file__).resolve().parents[1]
SMALL: dict[str, Any] = {
    "model": {"name": "tinier", "source": "path", "path": "models/primer-base", "sha256": None},
    "ingest": {
        "primer": {"seed": 1, "sentiment_per_language": 20, "classification_per_language": 6, "open_per_language": 4}
    },
    "train": {"epochs": 1.0, "rank": 4, "alpha": 8, "max_length": 96, "logging_steps": 1, "minimum_eos_ratio": 0.0},
    "evaluate": {
        "items_per_task": 3,
        "generations_per_task": 1,
        "max_new_tokens": 4,
        "shots": [0, 1],
        "base_formats": ["koalpaca"],
    },
    # No model reaches 1.01 times perfect: the verdict is known before it runs.
    "gate": {
        "minimum_items": 1,
        "resamples": 1000,
        "thresholds": [{"metric": "accuracy", "minimum": 2.0, "tasks": []}],
    },
}


def environment(project: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": path,
        "BENTOML_HOME": str(project / "bentoml"),
        "DVC_NO_ANALYTICS": "1",
        "PYTHONPATH": str(ROOT),
    }


def command(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of the environment's commands in the project."""
    return subprocess.run(
        [str(Path(sys.executable).parent / words[0]), *words[1:]],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def make_project(folder: Path, overlay: Mapping[str, Any]) -> Path:
    """Make a repository with the product's code, the tiny model and `overlay` on the default parameters, committed once."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("dvc.yaml", "bentofile.yaml", "profiles", "registry", "tasks"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / "data").mkdir()
    shutil.copy(ROOT / "data" / "README.md", folder / "data")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    make_tiny_model(folder / "models" / "primer-base")
    shutil.copy(ROOT / "models" / "primer-base" / "replay.jsonl", folder / "models" / "primer-base")
    params = merge_overlay(read_yaml(STARTER), overlay)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True, sort_keys=False), "utf-8")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    assert command(folder, "dvc", "init", "-q").returncode == 0
    author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["add", "params.yaml", "dvc.yaml", ".dvc"], [*author, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder
