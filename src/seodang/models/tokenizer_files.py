"""Find the tokenizer file of a base model on this machine, without a download."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from seodang.config import ModelParams
from seodang.errors import ArtifactError
from seodang.io.jsonl import read_json
from seodang.io.names import find_path
from seodang.models.base import describe_origin
from seodang.models.hub import find_downloaded_file
from seodang.paths import Paths

_FILE: Final = "tokenizer.json"


def find_tokenizer_file(model: ModelParams, paths: Paths) -> Path | None:
    """Return the tokenizer.json of a base model; None if it is not on this machine.

    It may be in the folder of stage `base`, in the folder that the model is copied from, or in a cache.
    """
    candidates = [paths.base / _FILE] if _is_base(model, paths) else []
    match model.source:
        case "bundled" | "path":
            candidates.append(find_path(paths.root / str(model.path)) / _FILE)
        case "hub":
            downloaded = find_downloaded_file(str(model.hub), str(model.revision), _FILE, paths.downloads)
            candidates += [downloaded] if downloaded else []
        case "gguf-package" if model.gguf:
            candidates.append(paths.model_cache / model.gguf.sha256 / _FILE)
    return next((file for file in candidates if file.is_file()), None)


def _is_base(model: ModelParams, paths: Paths) -> bool:
    """Return whether stage `base` last wrote this model."""
    try:
        report = read_json(paths.base_report)
    except ArtifactError:
        return False
    return describe_origin(model).items() <= report.items()
