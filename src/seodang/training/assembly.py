"""Assemble the model that is trained: adapter and kernels, for a run and for its plan alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from peft import PeftModel
from transformers import PreTrainedModel

from seodang.config import TrainParams
from seodang.models.adapters import add_adapter
from seodang.models.architecture import can_pack
from seodang.models.methods import get_method
from seodang.training.kernels.lora import fuse_lora
from seodang.training.kernels.rms_norm import fuse_norms

Kernel = Literal["lora", "rms_norm", "last_layer"]
KERNELS: Final[frozenset[Kernel]] = frozenset({"lora", "rms_norm", "last_layer"})


@dataclass(frozen=True, slots=True)
class AssembledModel:
    """A base with its trainable weights."""

    tuned_model: PeftModel | PreTrainedModel
    fused_layers: int  # LoRA layers that the kernel computes


def select_kernels(train: TrainParams) -> frozenset[Kernel]:
    """Return the kernels that the parameters allow; each of them skips layers that it cannot compute."""
    if train.kernels == "off":
        return frozenset()
    return KERNELS if get_method(train).has_lora_kernel else KERNELS - {"lora"}


def uses_packing(model: PreTrainedModel, train: TrainParams) -> bool:
    """Return whether records are packed: train.packing is true and the model's layers can keep records apart."""
    return train.packing and can_pack(model)


def assemble_model(model: PreTrainedModel, train: TrainParams, kernels: frozenset[Kernel]) -> AssembledModel:
    """Add the adapter and the kernels that work inside its layers.

    The last-layer kernel is part of the loss: see `patch_and_verify_loss`.

    Args:
        model: The base; changed in place. The loss and the attention are patched before.
        train: The method and its target modules.
        kernels: Of `select_kernels`.

    Raises:
        ModelError: If the target modules match no layer.
    """
    tuned_model = add_adapter(model, train)
    if "rms_norm" in kernels:
        fuse_norms(tuned_model)
    return AssembledModel(tuned_model, fuse_lora(tuned_model) if "lora" in kernels else 0)
