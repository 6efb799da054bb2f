"""A model with what is learned on top, as shapes without a weight: counted exactly, and run without arithmetic."""

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
from seodang.models.adapters import add_adapter
from seodang.models.architecture import can_pack
from seodang.models.checkpoints import is_code_trusted
from seodang.training.kernels.last_layer import RowSelection, patch_last_layer
from seodang.training.kernels.lora import fuse_lora
from seodang.training.kernels.packed_attention import use_packed_attention
from seodang.training.kernels.rms_norm import fuse_norms

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# NF4: half a byte a weight, an 8-bit scale for each 64 of them, an fp32 scale for each 256 of those.
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)


@dataclass(frozen=True, slots=True)
class MetaModel:
    """A model on the meta device, as training has it."""

    model: PreTrainedModel  # the base, changed in place by what is learned
    tuned_model: PeftModel | PreTrainedModel
    selection: RowSelection
    packed: bool
    fused_layers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSizes:
    """Sizes that follow from the model and the method alone."""

    parameters: int  # of the base; 4-bit weights count as what they stand for
    trainable: int
    adapted_layers: int
    base_bytes: int  # as they lie in memory while training, trainable ones of method full included
    trainable_bytes: int  # of the adapter, fp32; of method full part of base_bytes
    largest_linear: int  # weights of the largest linear layer, without the head
    layer_bytes: int  # of the largest decoder layer, in the precision of the base


def build_meta_model(config: PreTrainedConfig, train: TrainParams, folder: Path | None) -> MetaModel:
    """Return the model with its adapter, without weights.

    A 4-bit base is stood for by the same layers in the precision of the arithmetic: what autograd keeps is the same.

    Args:
        config: The base's.
        train: Method, targets, precision.
        folder: Of the checkpoint, where it has trusted code of its own.

    Raises:
        ModelError: If the targets match nothing, or the architecture cannot be built.
    """
    four_bit = train.method == "qlora"
    model = _build_on_meta(config, train, folder)
    selection = RowSelection()
    patch_last_layer(model, selection)
    packed = train.packing and can_pack(model)
    if packed:
        use_packed_attention(model)
    with torch.device("meta"):
        tuned_model = add_adapter(model, train.model_copy(update={"method": "lora"}) if four_bit else train)
    fuse_norms(tuned_model)
    fused_layers = 0 if four_bit else fuse_lora(tuned_model)
    if train.activation_checkpointing:
        model.activation_checkpointing_enable()
    tuned_model.train()
    return MetaModel(model, tuned_model, selection, packed, fused_layers)


def _build_on_meta(config: PreTrainedConfig, train: TrainParams, folder: Path | None) -> PreTrainedModel:
    trusted = folder is not None and is_code_trusted(folder)
    try:
        with torch.device("meta"):
            model: PreTrainedModel = AutoModelForCausalLM.from_config(
                copy.deepcopy(config), dtype=DTYPES[train.precision], trust_remote_code=trusted
            )
    except (
        ValueError,
        RuntimeError,
        ImportError,
        OSError,
    ) as error:  # what transformers says of settings and packages that it cannot build from
        raise ModelError(
            f"the model cannot be laid out from its config.json alone ({type(error).__name__}: {error}), so it cannot be planned; training may work all the same"
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
    """Return what the weights take."""
    tuned_model, model = meta_model.tuned_model, meta_model.model
    trainable = [weight for weight in tuned_model.parameters() if weight.requires_grad]
    adapter_ids = {id(weight) for weight in trainable} if train.method != "full" else set()
    base = [weight for weight in tuned_model.parameters() if id(weight) not in adapter_ids]
    linear = _list_linear_weights(model)
    quantised = {id(weight) for weight in linear} if train.method == "qlora" else set()
    return WeightSizes(
        parameters=sum(weight.numel() for weight in base),
        trainable=sum(weight.numel() for weight in trainable),
        adapted_layers=sum(1 for name, _ in tuned_model.named_modules() if name.endswith("lora_A")),
        base_bytes=round(
            sum(weight.numel() * (NF4_BYTES if id(weight) in quantised else weight.element_size()) for weight in base)
        ),
        trainable_bytes=sum(weight.numel() * weight.element_size() for weight in trainable),
        largest_linear=max((weight.numel() for weight in linear), default=0),
        layer_bytes=max((_count_bytes(layer, adapter_ids) for layer in _list_layers(model)), default=0),
    )


def _list_linear_weights(model: PreTrainedModel) -> list[torch.Tensor]:
    """Return the weights that become 4-bit ones: of all linear layers but the head's and the adapter's."""
    head: Any = model.get_output_embeddings()
    excluded = {id(head.weight)} if head is not None else set()
    parts = [
        (name, part)
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.Linear) and ".lora_" not in name
    ]
    return [part.weight for _, part in parts if id(part.weight) not in excluded]


def _list_layers(model: PreTrainedModel) -> list[torch.nn.Module]:
    layers = getattr(model.base_model, "layers", None)
    return list(layers) if isinstance(layers, torch.nn.ModuleList) else []


def _count_bytes(part: torch.nn.Module, excluded: set[int]) -> int:
    return sum(weight.numel() * weight.element_size() for weight in part.parameters() if id(weight) not in excluded)
