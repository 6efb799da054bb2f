"""The trained model as shapes without weights: it is counted exactly and traced without arithmetic."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from seodang.config import TrainParams
from seodang.errors import ModelError
from seodang.i18n import _
from seodang.models.checkpoints import is_code_trusted
from seodang.models.methods import get_method
from seodang.training.assembly import assemble_model, select_kernels, uses_packing
from seodang.training.kernels.last_layer import RowSelection, patch_last_layer
from seodang.training.kernels.packed_attention import use_packed_attention

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class MetaModel:
    """A model on the meta device, assembled as for training."""

    model: PreTrainedModel  # the base, which the adapter changes in place
    tuned_model: PeftModel | PreTrainedModel
    selection: RowSelection
    packed: bool
    fused_layers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSizes:
    """Sizes that follow from the model and the method."""

    parameters: int  # of the base; a 4-bit weight counts as one parameter
    trainable: int
    adapted_layers: int
    base_bytes: int  # in memory during training; method full: with the trainable weights
    trainable_bytes: int  # fp32; of the adapter, or with method full a part of base_bytes
    largest_linear: int  # weights of the largest linear layer except the output layer
    layer_bytes: int  # of the largest decoder layer, in the precision of the base


def build_meta_model(config: PreTrainedConfig, train: TrainParams, folder: Path | None) -> MetaModel:
    """Return the model with its adapter, without weights.

    Layers in the precision of the arithmetic represent a 4-bit base: autograd keeps the same tensors.

    Args:
        config: The configuration of the base.
        train: Method, target modules, precision, kernels.
        folder: The checkpoint, which may hold trusted code; None if only its configuration is known.

    Raises:
        ModelError: If the target modules match no layer, or the architecture cannot be built.
    """
    model = _build_on_meta(config, train, folder)
    kernels = select_kernels(train)
    selection = RowSelection()
    if "last_layer" in kernels:
        patch_last_layer(model, selection)
    packed = uses_packing(model, train)
    if packed:
        use_packed_attention(model)
    unquantized = train.model_copy(update={"method": "lora"}) if get_method(train).loads_in_4bit else train
    with torch.device("meta"):
        assembled = assemble_model(model, unquantized, kernels)
    if train.activation_checkpointing:
        model.activation_checkpointing_enable()
    assembled.tuned_model.train()
    return MetaModel(model, assembled.tuned_model, selection, packed, assembled.fused_layers)


def _build_on_meta(config: PreTrainedConfig, train: TrainParams, folder: Path | None) -> PreTrainedModel:
    trusted = folder is not None and is_code_trusted(folder)
    try:
        with torch.device("meta"):
            model: PreTrainedModel = AutoModelForCausalLM.from_config(
                copy.deepcopy(config), dtype=DTYPES[train.precision], trust_remote_code=trusted
            )
    except (ValueError, RuntimeError, ImportError, OSError) as error:  # transformers, on settings and packages
        raise ModelError(
            _(
                "the model cannot be built from its config.json alone ({kind}: {error}), so it cannot be planned;"
                " training may still work: run dvc repro train",
                kind=type(error).__name__,
                error=error,
            )
        ) from error
    return model


def truncate_config(config: PreTrainedConfig, layers: int) -> PreTrainedConfig:
    """Return the configuration with its first layers only."""
    truncated_config = copy.deepcopy(config)
    text = truncated_config.get_text_config()
    kinds = getattr(text, "layer_types", None)
    text.num_hidden_layers = layers
    if kinds:
        text.layer_types = list(kinds)[:layers]
    return truncated_config


def compute_weight_sizes(meta_model: MetaModel, train: TrainParams) -> WeightSizes:
    """Return the sizes of the weights."""
    method = get_method(train)
    tuned_model, model = meta_model.tuned_model, meta_model.model
    trainable = [weight for weight in tuned_model.parameters() if weight.requires_grad]
    adapter_ids = {id(weight) for weight in trainable} if method.has_adapter else set()
    base = [weight for weight in tuned_model.parameters() if id(weight) not in adapter_ids]
    linear = _list_linear_weights(model)
    weight_bytes = (
        {} if method.linear_weight_bytes is None else dict.fromkeys(map(id, linear), method.linear_weight_bytes)
    )
    return WeightSizes(
        parameters=sum(weight.numel() for weight in base),
        trainable=sum(weight.numel() for weight in trainable),
        adapted_layers=sum(1 for name, _module in tuned_model.named_modules() if name.endswith("lora_A")),
        base_bytes=round(sum(weight.numel() * weight_bytes.get(id(weight), weight.element_size()) for weight in base)),
        trainable_bytes=sum(weight.numel() * weight.element_size() for weight in trainable),
        largest_linear=max((weight.numel() for weight in linear), default=0),
        layer_bytes=max((_count_bytes(layer, adapter_ids) for layer in _list_layers(model)), default=0),
    )


def _list_linear_weights(model: PreTrainedModel) -> list[torch.Tensor]:
    """Return the weights that 4-bit loading quantizes: those of all linear layers except output layer and adapter."""
    head: Any = model.get_output_embeddings()
    excluded = {id(head.weight)} if head is not None else set()
    layers = [
        module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and ".lora_" not in name
    ]
    return [layer.weight for layer in layers if id(layer.weight) not in excluded]


def _list_layers(model: PreTrainedModel) -> list[torch.nn.Module]:
    layers = getattr(model.base_model, "layers", None)
    return list(layers) if isinstance(layers, torch.nn.ModuleList) else []


def _count_bytes(part: torch.nn.Module, excluded: set[int]) -> int:
    return sum(weight.numel() * weight.element_size() for weight in part.parameters() if id(weight) not in excluded)
