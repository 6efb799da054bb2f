"""Digests of what a run has made, without measured times: equal for equal runs, however often they were killed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from seodang.io.git_process import run_git

_PAGES: Final = ("artifacts/report/", "artifacts/validate/data_docs/")  # they show times
_MEASURED_FILES: Final = re.compile(r"/(\w+_per_second|memory_mb)\.tsv$")
_MEASURED: Final = re.compile(r"^((elapsed_|cpu_)?seconds|(peak_)?memory_mb|\w+_per_second|dvc_lock_sha256)$")
_LOCK_ROW: Final = re.compile(rb"\| dvc\.lock \| `[0-9a-f]{64}` \|")  # of the model card
_SUMS: Final = "SHA256SUMS"  # of the packaged model: it has the sum of the manifest, which has times


def digest_project(project: Path) -> dict[str, str]:
    """Return the digest of each output in the working tree, by path, and of the stored weights."""
    lock = yaml.safe_load((project / "dvc.lock").read_text("utf-8"))
    files: dict[str, bytes] = {}
    for out in _list_outputs(lock):
        path = project / out["path"]
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                files[file.relative_to(project).as_posix()] = file.read_bytes()
    return _digest(files) | _digest_store(project)


def digest_experiment(project: Path, reference: str) -> dict[str, str]:
    """Return the digest of each output of a DVC experiment, whose files are in DVC's cache and in git."""
    lock = yaml.safe_load(run_git(project, "show", f"{reference}:dvc.lock"))
    cache = project / ".dvc" / "cache" / "files" / "md5"
    files: dict[str, bytes] = {}
    for out in _list_outputs(lock):
        path, md5 = out["path"], out["md5"]
        stored = cache / md5[:2] / md5[2:]
        if md5.endswith(".dir"):
            for entry in json.loads(stored.read_text("utf-8")):
                files[f"{path}/{entry['relpath']}"] = (cache / entry["md5"][:2] / entry["md5"][2:]).read_bytes()
        else:
            is_stored = stored.is_file()
            files[path] = stored.read_bytes() if is_stored else run_git(project, "show", f"{reference}:{path}").encode()
    return _digest(files) | _digest_store(project)


def _list_outputs(lock: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for stage in lock["stages"].values():
        yield from stage.get("outs", [])


def _digest_store(project: Path) -> dict[str, str]:
    """Return the digests of the weights in BentoML's store, and the tags of its bentos."""
    store = project / "bentoml"
    weights = {str(file.relative_to(project)): file.read_bytes() for file in store.glob("models/*/*/*.safetensors")}
    return _digest(weights) | {str(file.relative_to(project)): "" for file in store.glob("bentos/*/*/bento.yaml")}


def _digest(files: Mapping[str, bytes]) -> dict[str, str]:
    return {
        path: hashlib.sha256(_drop_measurements(path, content)).hexdigest()
        for path, content in files.items()
        if not path.startswith(_PAGES) and not _MEASURED_FILES.search(path) and not path.endswith(_SUMS)
    }


def _drop_measurements(path: str, content: bytes) -> bytes:
    """Return the content without times and memory, and without the checksum of dvc.lock, which depends on them."""
    content = _LOCK_ROW.sub(b"", content)
    if not path.endswith((".json", "inputs.lock")):
        return content
    return json.dumps(_strip(json.loads(content)), sort_keys=True).encode()


def _strip(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _strip(part) for name, part in value.items() if not _MEASURED.match(name)}
    return [_strip(part) for part in value] if isinstance(value, list) else value


def compare(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Return the paths that differ, are missing, or are too many."""
    return sorted(path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path))
