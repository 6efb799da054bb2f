"""Create a repository in which gate and package have run: real git, DVC and GTO, and fake stages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from seodang.paths import Paths

REPOSITORY = Path(__file__).resolve().parents[2]
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
if name == "train":
    adapter.parent.mkdir()
    adapter.write_text("adapter of " + wanted["model"])
if name == "evaluate":
    tuned = {"name": "tuned", "accuracy": wanted["accuracy"], "exact_match": 0.5, "chrf": 30.0, "loss": 1.0}
    report("report.json", {"variants": [tuned], "champion": json.loads(Path("registry/champion.json").read_text())})
if name == "gate":
    reason = {"passed": wanted["verdict"] == "promote", "ko": "정확도가 낮음", "en": "accuracy is lower"}
    verdict = {"verdict": wanted["verdict"], "reasons": [reason]}
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
    "train": {"deps": ["wanted.json"], "outs": ["artifacts/train/adapter"]},
    "evaluate": {
        "deps": ["registry/champion.json", "artifacts/train/adapter", "wanted.json"],
        "outs": ["artifacts/evaluate/report.json"],
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


def run(root: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run git or one of the environment's commands in the repository."""
    scripts = Path(sys.executable).parent
    command = [words[0] if words[0] == "git" else str(scripts / words[0]), *words[1:]]
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    result = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0 or not check, result.stdout + result.stderr
    return result


def make_repository(root: Path) -> Paths:
    """Create a repository in which no stage has run."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(REPOSITORY / "registry", root / "registry")
    (root / "make.py").write_text(_MAKE)
    (root / "wanted.json").write_text("{}")
    stages = {name: {"cmd": f"python make.py {name}", **stage} for name, stage in _STAGES.items()}
    artifacts = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text("utf-8"))["artifacts"]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"artifacts": artifacts, "stages": stages}, sort_keys=False))
    (root / ".gitignore").write_text("/artifacts/\n/.seodang/\n/models/\n__pycache__/\n")
    run(root, "git", "init", "-q")
    run(root, "git", "config", "user.name", "김훈장")
    run(root, "git", "config", "user.email", "hunjang@example.org")
    run(root, "dvc", "init", "-q")
    return Paths(root)


def make_weights(paths: Paths, name: str) -> dict[str, str]:
    """Write a few bytes as the weights of a packaged model, and return its fields for `run_pipeline`."""
    folder = paths.root / "models" / name
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(f"weights of {name}")
    return {"folder": f"models/{name}", "version": f"{abs(hash(name)):x}"[:12], "fingerprint": "f" * 64}


def run_pipeline(paths: Paths, model: str, accuracy: float = 0.95, verdict: str = "promote", **fields: str) -> None:
    """Run the pipeline for a model, and commit its outputs."""
    fields = fields or make_weights(paths, model)
    (paths.root / "wanted.json").write_text(
        json.dumps({"model": model, "accuracy": accuracy, "verdict": verdict, **fields})
    )
    run(paths.root, "dvc", "repro", check=verdict == "promote")
    commit(paths, f"Tune {model}")


def commit(paths: Paths, message: str) -> None:
    """Commit all files."""
    run(paths.root, "git", "add", "-A")
    run(paths.root, "git", "commit", "-q", "-m", message)


def read_state(paths: Paths) -> dict[str, Any]:
    """Return everything that a promotion changes."""
    return {
        "tags": run(paths.root, "git", "tag").stdout.split(),
        "head": run(paths.root, "git", "rev-parse", "HEAD").stdout,
        "status": run(paths.root, "git", "status", "--porcelain").stdout,
        "champion": paths.champion.read_text("utf-8"),
        "history": paths.history.read_text("utf-8"),
    }
