"""A repository in which gate and package have run: real git, DVC and GTO, and stages that write what they are told."""

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

REPOSITORY = Path(__file__).resolve().parents[1]
# One line for each stage. `wanted.json` says what is made; a real model is copied, else a few bytes stand for its weights.
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
    report("report.json", {"variants": [{"name": "tuned", "accuracy": wanted["accuracy"], "exact_match": 0.5, "chrf": 30.0, "loss": 1.0}], "champion": json.loads(Path("registry/champion.json").read_text())})
if name == "gate":
    verdict = {"verdict": wanted["verdict"], "reasons": [{"passed": wanted["verdict"] == "promote", "ko": "정확도가 낮음", "en": "accuracy is lower"}]}
    report("verdict.json", {**verdict, "items_fingerprint": "i" * 16, "adapter_sha256": sha(adapter)})
if name == "package":
    verdict = json.loads(Path("artifacts/gate/verdict.json").read_text())
    del verdict["schema"]
    if verdict["verdict"] != "promote":
        sys.exit("not promoted")
    shutil.copytree(wanted["folder"], out / "model")
    version, fingerprint = wanted["version"], wanted["fingerprint"]
    lineage = {"verdict": verdict, "adapter_sha256": sha(adapter), "base": {"name": "tiny", "weights_sha256": "b" * 64}, "params": {"prompt": {"format": "koalpaca"}}}
    tag = "tiny:" + version
    report("report.json", {"model_tag": tag, "bento_tag": tag, "fingerprint": fingerprint, "weights_sha256": sha(out / "model" / "model.safetensors"), "lineage": lineage})
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
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


def make_repository(root: Path) -> Paths:
    """Make a repository with nothing run yet."""
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
    """Leave something that passes for a packaged model, and return what `produce` wants to know of it."""
    folder = paths.root / "models" / name
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(f"weights of {name}")
    return {"folder": f"models/{name}", "version": f"{abs(hash(name)):x}"[:12], "fingerprint": "f" * 64}


def produce(paths: Paths, model: str, accuracy: float = 0.95, verdict: str = "promote", **of_model: str) -> None:
    """Run the pipeline for a model, and commit what it came to."""
    known = of_model or make_weights(paths, model)
    (paths.root / "wanted.json").write_text(
        json.dumps({"model": model, "accuracy": accuracy, "verdict": verdict, **known})
    )
    run(paths.root, "dvc", "repro", check=verdict == "promote")
    commit(paths, f"Tune {model}")


def commit(paths: Paths, message: str) -> None:
    run(paths.root, "git", "add", "-A")
    run(paths.root, "git", "commit", "-q", "-m", message)


def state(paths: Paths) -> dict[str, Any]:
    """Return all that a promotion changes."""
    return {
        "tags": run(paths.root, "git", "tag").stdout.split(),
        "head": run(paths.root, "git", "rev-parse", "HEAD").stdout,
        "status": run(paths.root, "git", "status", "--porcelain").stdout,
        "champion": paths.champion.read_text("utf-8"),
        "history": paths.history.read_text("utf-8"),
    }
