"""Stage `base` run in a folder of its own, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seodang.config import ModelParams
from seodang.config.load import merge_overlay, parse_params, read_yaml
from seodang.errors import ModelError, SeodangError
from seodang.models.loading import load_model
from seodang.paths import Paths
from seodang.stages import base as stage

ROOT = Path(__file__).resolve().parents[1]


def model_params(**changes: Any) -> ModelParams:
    nothing = {
        "path": None,
        "sha256": None,
        "hub": None,
        "revision": None,
        "gguf": None,
        "scratch": None,
        "trust_remote_code": None,
    }
    raw = merge_overlay(read_yaml(ROOT / "profiles" / "tiny.yaml"), {"model": {**nothing, "name": "tiny", **changes}})
    return parse_params(raw, "test").model


def run(folder: Path, **changes: Any) -> dict[str, Any]:
    return dict(stage.run(model=model_params(**changes), paths=Paths(folder)))


def refused(folder: Path, kind: type[SeodangError] = ModelError, **changes: Any) -> str:
    """Return the one message; nothing of the model may stand anywhere in artifacts."""
    with pytest.raises(kind) as caught:
        run(folder, **changes)
    assert [path for path in (folder / "artifacts").rglob("*") if path.is_file()] == []
    assert not list((folder / "artifacts" / "base").glob(".*"))
    return str(caught.value)


def in_shards(folder: Path) -> Path:
    """Save the model of a folder again, in several files of weights."""
    model = load_model(folder, "fp32", "cpu")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="60KB")
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 2
    return folder
