"""Fixtures of the tests of room `registry`: a repository with real git, DVC and GTO, and fake stages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml
from tests.constants import ROOT

from seodang.paths import Paths

# The command of every stage. `wanted.json` describes the outputs; the weights are a copied model or a few bytes.
_MAKE = """
import hashlib, json, shutil, sys
from pathlib import Path
wanted = json.loads(Path("wanted.json").read_text())
name, out = sys.argv[1], Path("artifacts") / sys.argv[1]
out.mkdir(parents=True, exist_ok=True)
sha = lambda path: hashlib.sha256(Path(path).read_bytes()).hexdigest()
def report(path, content): (out / path).write_text(json.dumps({"schema": 1, **content}))
adapter = Path("artifacts/train/adapter/adapter_model.safetensors")
def write(path, *rows): (out / path).write_text("".join(json.dumps(row) + "\\n" for row in rows))
record = {"id": "1", "task": "faq", "instruction": "언제 오나요?", "input": "", "turns": [], "output": "내일요."}
if name == "prepare":
    for split in ("train", "validation", "test", "unseen"):
        write(split + ".jsonl", *([record] if split == "test" else []))
if name == "train":
    adapter.parent.mkdir()
    adapter.write_text("adapter of " + wanted["model"])
if name == "evaluate":
    tuned = {"name": "tuned", "accuracy": wanted["accuracy"], "exact_match": 0.5, "chrf": 30.0, "loss": 1.0}
    write("items.jsonl", record)
    score = {"variant": "tuned", "split": "test", "task": "faq", "item": "1", "chrf": 30.0, "extra_metrics": {}}
    write("scores.jsonl", score)
    report("report.json", {"variants": [tuned], "champion": json.loads(Path("registry/champion.json").read_text())})
if name == "gate":
    reason = {"passed": wanted["verdict"] == "promote", "ko": "정확도가 낮음", "en": "accuracy is lower"}
    verdict = {"verdict": wanted["verdict"], "reasons": [reason], "results": wanted.get("results", [])}
    verdict["trained_tasks"] = wanted.get("trained_tasks", [])
    verdict["judgement"] = sha(adapter)
    ledger = Path("registry/ledger/0123456789abcdef.jsonl")
    ledger.parent.mkdir(parents=True, exist_ok=True)
    lines = ledger.read_text().splitlines() if ledger.exists() else [json.dumps({"items": [["faq", "1"]]})]
    judgement = {"candidate": sha(adapter), "created_at": f"2026-01-01T00:00:{len(lines):02}+00:00", "met": []}
    lines.append(json.dumps({**judgement, "verdict": wanted["verdict"], "tests": {}, "scores": {"chrf": [30.0]}}))
    ledger.write_text("\\n".join(lines) + "\\n")
    report("verdict.json", {**verdict, "items_fingerprint": "i" * 16, "adapter_sha256": sha(adapter)})
if name == "package":
    verdict = json.loads(Path("artifacts/gate/verdict.json").read_text())
    del verdict["schema"]
    if verdict["verdict"] != "promote":
        sys.exit("not promoted")
    shutil.copytree(wanted["folder"], out / "model")
    version, fingerprint = wanted["version"], wanted["fingerprint"]
    base, params = {"name": "tiny", "weights_sha256": "b" * 64}, {"prompt": {"format": "koalpaca"}}
    lineage = {"verdict": verdict, "adapter_sha256": sha(adapter), "base": base, "params": params}
    tags = {"model_tag": "tiny:" + version, "bento_tag": "tiny:" + version}
    weights = sha(out / "model" / "model.safetensors")
    report("report.json", {**tags, "fingerprint": fingerprint, "weights_sha256": weights, "lineage": lineage})
"""
_STAGES: dict[str, Any] = {
    "prepare": {
        "deps": ["make.py"],
        "outs": [f"artifacts/prepare/{split}.jsonl" for split in ("train", "validation", "test", "unseen")],
    },
    "train": {"deps": ["wanted.json"], "outs": ["artifacts/train/adapter"]},
    "evaluate": {
        "deps": ["registry/champion.json", "artifacts/train/adapter", "wanted.json"],
        "outs": [f"artifacts/evaluate/{name}" for name in ("report.json", "items.jsonl", "scores.jsonl")],
    },
    "gate": {
        "deps": ["registry/champion.json", "artifacts/evaluate/report.json"],
        "outs": [{"artifacts/gate/verdict.json": {"cache": False}}],
    },
    "package": {
        "deps": ["artifacts/gate/verdict.json", "wanted.json"],
        "outs": ["artifacts/package/model", "artifacts/package/report.json"],
    },
}


class RunIn(Protocol):
    """Runs git or one of the environment's commands in a repository."""

    def __call__(self, root: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]: ...


class RunPipeline(Protocol):
    """Runs the pipeline for a model, and commits its outputs."""

    def __call__(
        self, paths: Paths, model: str, accuracy: float = 0.95, verdict: str = "promote", **fields: Any
    ) -> None: ...


@pytest.fixture(scope="session")
def run_in() -> RunIn:
    return _run_in


@pytest.fixture(scope="session")
def commit_all() -> Callable[[Paths, str], None]:
    """Commits all files."""
    return _commit_all


@pytest.fixture(scope="session")
def run_pipeline() -> RunPipeline:
    return _run_pipeline


@pytest.fixture(scope="session")
def make_repository() -> Callable[[Path], Paths]:
    """Creates a repository in which no stage has run."""
    return _make_repository


@pytest.fixture(scope="session")
def read_state() -> Callable[[Paths], dict[str, Any]]:
    """Reads everything that a promotion changes."""
    return _read_state


def _run_in(root: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run git or one of the environment's commands in the repository."""
    scripts = Path(sys.executable).parent
    command = [words[0] if words[0] == "git" else str(scripts / words[0]), *words[1:]]
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    result = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0 or not check, result.stdout + result.stderr
    return result


def _make_repository(root: Path) -> Paths:
    """Create a repository in which no stage has run."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "registry", root / "registry", ignore=shutil.ignore_patterns("ledger"))
    (root / "make.py").write_text(_MAKE)
    (root / "wanted.json").write_text("{}")
    stages = {name: {"cmd": f"python make.py {name}", **stage} for name, stage in _STAGES.items()}
    artifacts = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["artifacts"]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"artifacts": artifacts, "stages": stages}, sort_keys=False))
    (root / ".gitignore").write_text("/artifacts/\n/.seodang/\n/models/\n__pycache__/\n")
    _run_in(root, "git", "init", "-q")
    _run_in(root, "git", "config", "user.name", "김훈장")
    _run_in(root, "git", "config", "user.email", "hunjang@example.org")
    _run_in(root, "dvc", "init", "-q")
    return Paths(root)


def _make_weights(paths: Paths, name: str) -> dict[str, str]:
    """Write a few bytes as the weights of a packaged model, and return its fields for `run_pipeline`."""
    folder = paths.root / "models" / name
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(f"weights of {name}")
    return {"folder": f"models/{name}", "version": f"{abs(hash(name)):x}"[:12], "fingerprint": "f" * 64}


def _run_pipeline(paths: Paths, model: str, accuracy: float = 0.95, verdict: str = "promote", **fields: Any) -> None:
    """Run the pipeline for a model, and commit its outputs."""
    if "folder" not in fields:
        fields |= _make_weights(paths, model)
    (paths.root / "wanted.json").write_text(
        json.dumps({"model": model, "accuracy": accuracy, "verdict": verdict, **fields})
    )
    _run_in(paths.root, "dvc", "repro", check=verdict == "promote")
    _commit_all(paths, f"Tune {model}")


def _commit_all(paths: Paths, message: str) -> None:
    """Commit all files."""
    _run_in(paths.root, "git", "add", "-A")
    _run_in(paths.root, "git", "commit", "-q", "-m", message)


def _read_state(paths: Paths) -> dict[str, Any]:
    """Return everything that a promotion changes."""
    return {
        "tags": _run_in(paths.root, "git", "tag").stdout.split(),
        "head": _run_in(paths.root, "git", "rev-parse", "HEAD").stdout,
        "status": _run_in(paths.root, "git", "status", "--porcelain").stdout,
        "champion": paths.champion.read_text("utf-8"),
        "history": paths.history.read_text("utf-8"),
    }
