"""One engine for a base and its adapters, with one set of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from seodang.errors import ModelError
from seodang.i18n import _
from seodang.inference.engine.contract import Engine
from seodang.inference.engine.transformers_engine import TransformersEngine
from seodang.models.device import choose_device
from seodang.models.stop_tokens import get_stop_ids, join_stop_ids, read_declared_stop_ids
from seodang.packaging.model_folder import load_inference_model
from seodang.service.model.engine_choice import choose_engine, load_vllm, read_engine_limits


@dataclass(frozen=True, slots=True)
class SharedEngine:
    """An engine whose requests name an adapter, or none for the base."""

    engine: Engine
    get_stop_ids: Callable[[int], list[int]]
    """Returns the tokens that end an answer, for the end token of a prompt format."""


def load_shared_engine(
    base: Path, tokenizer: PreTrainedTokenizerBase, adapters: Mapping[str, Path], end_id: int
) -> SharedEngine:
    """Return the engine that SEODANG_ENGINE names.

    Args:
        base: Folder of the base.
        tokenizer: Of the base.
        adapters: Folders of the adapters by their names in the engine.
        end_id: Of the base's prompt format.

    Raises:
        ModelError: If weights cannot be read.
    """
    if choose_engine() == "vllm":
        declared = read_declared_stop_ids(base, tokenizer, len(tokenizer))
        stop_ids = join_stop_ids(end_id, declared)
        return SharedEngine(load_vllm(base, stop_ids, adapters, is_alone=False), lambda id: join_stop_ids(id, declared))
    weights = load_inference_model(base, choose_device("auto"))
    engine = TransformersEngine(add_adapters(weights, adapters), get_stop_ids(weights, end_id), read_engine_limits())
    return SharedEngine(engine, lambda id: get_stop_ids(weights, id))


def add_adapters(model: PreTrainedModel, folders: Mapping[str, Path]) -> PreTrainedModel:
    """Return a model with adapters by their names; none is active.

    Raises:
        ModelError: If an adapter cannot be read.
    """
    tuned: Any = None
    for name, folder in folders.items():
        try:
            if tuned is None:
                tuned = PeftModel.from_pretrained(model, str(folder), adapter_name=name)
            else:
                tuned.load_adapter(str(folder), adapter_name=name)
        except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
            raise ModelError(
                _("the adapter in {folder} cannot be read: {error}", folder=folder, error=error)
            ) from error
    return model if tuned is None else tuned.eval()
