"""Run stage `base` in a temporary folder, and read its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seodang.config import ModelParams
from seodang.config.load import merge_overlay, parse_params
from seodang.config.profiles import read_starter
from seodang.errors import ModelError, SeodangError
from seodang.models.loading import load_model
from seodang.paths import Paths
from seodang.stages import base as stage

ROOT = Path(__file__).resolve().parents[1]


def build_model_params(**changes: Any) -> ModelParams:
    unset = {
        "path": None,
        "sha256": None,
        "hub": None,
        "revision": None,
        "gguf": None,
        "scratch": None,
        "trust_remote_code": None,
    }
    raw = merge_overlay(read_starter(), {"model": {**unset, "name": "tiny", **changes}})
    return parse_params(raw, "test").model


def run(folder: Path, **changes: Any) -> dict[str, Any]:
    return dict(stage.run(model=build_model_params(**changes), paths=Paths(folder)))


def run_and_get_error(folder: Path, kind: type[SeodangError] = ModelError, **changes: Any) -> str:
    """Return the error message; the stage must leave no file of the model in artifacts."""
    with pytest.raises(kind) as caught:
        run(folder, **changes)
    assert [path for path in (folder / "artifacts").rglob("*") if path.is_file()] == []
    assert not list((folder / "artifacts" / "base").glob(".*"))
    return str(caught.value)


def split_into_shards(folder: Path) -> Path:
    """Save the model of a folder again, with several weight files."""
    model = load_model(folder, "fp32", "cpu")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="60KB")
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 2
    return folder
