"""The sizes of models that profiles name, so that a plan needs neither the hub nor the weights.

A file of `model_configs` holds what a model's card publishes: the arguments of its configuration class, and the number
of its parameters. The plan compares this number with the model that it builds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from transformers import AutoConfig, PreTrainedConfig

from seodang.config import ModelParams

_FOLDER: Final = Path(__file__).with_name("model_configs")


@dataclass(frozen=True, slots=True)
class ShippedConfig:
    """The configuration of a published model."""

    config: PreTrainedConfig
    parameters: int


def find_shipped_config(model: ModelParams) -> ShippedConfig | None:
    """Return the shipped configuration of a model on the hub or in a GGUF package; None if there is none."""
    name = {"hub": model.hub, "gguf-package": model.gguf and model.gguf.file}.get(model.source)
    key = "hub" if model.source == "hub" else "gguf"
    for fields in _read_files():
        if name is not None and name in fields.get(key, ()):
            return ShippedConfig(AutoConfig.for_model(**fields["config"]), int(fields["parameters"]))
    return None


def _read_files() -> Iterator[dict[str, Any]]:
    for file in sorted(_FOLDER.glob("*.json")):
        yield json.loads(file.read_text("utf-8"))
