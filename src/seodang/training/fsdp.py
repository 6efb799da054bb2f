"""Shard the weights over the processes that train together (FSDP, version 2, through accelerate), and gather them.

A decoder layer is one unit: its weights are gathered before its forward and backward passes and sharded again after
them, as are its gradients. A unit keeps the precision of each weight, as base and adapter may differ.
"""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from peft import PeftModel
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy
from torch.distributed.tensor import DTensor

from seodang.config import TrainParams

# Gradients are summed in fp32 in any precision of the arithmetic, and the loss is not rounded.
_BF16_POLICY = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)


def build_sharding_kwargs(train: TrainParams) -> dict[str, Any]:
    """Return the arguments of TrainingArguments for sharding and activation checkpointing."""
    settings: dict[str, Any] = {"activation_checkpointing": train.activation_checkpointing}
    if train.sharding == "fsdp":
        # Each process writes its part of a checkpoint. The plugin's own activation checkpointing gathers less often,
        # but it renames the layers, and peft then finds no adapter to save.
        settings |= {"fsdp": True, "fsdp_config": {"version": 2, "state_dict_type": "SHARDED_STATE_DICT"}}
    return settings


def keep_fp32(plugin: FullyShardedDataParallelPlugin, precision: str) -> None:
    """Make accelerate's plugin keep sums and results in fp32 when it computes in bf16; its default rounds them.

    Args:
        plugin: Changed in place.
        precision: "bf16" for mixed precision, else "no".
    """
    if precision == "bf16":
        plugin.mixed_precision_policy = _BF16_POLICY


def shard_on_cpu(accelerator: Accelerator, plugin: FullyShardedDataParallelPlugin) -> None:
    """Make accelerate shard on CPUs, which torch supports (gloo) but accelerate skips."""
    accelerator.state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = plugin
    PartialState._shared_state["distributed_type"] = DistributedType.FSDP


def reshard(model: torch.nn.Module) -> None:
    """Shard units again that a forward pass without a backward pass left gathered; do nothing without sharding."""
    for part in model.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def full_tensor(weight: Tensor) -> Tensor:
    """Return a weight as a plain tensor; with sharding, every process must call this."""
    return weight.full_tensor() if isinstance(weight, DTensor) else weight


def gather_full_state(model: torch.nn.Module) -> dict[str, Any] | None:
    """Return the trained weights of a sharded model (of a model with adapter the adapter); None without sharding.

    Every process must call this; all but the main process get an empty dictionary.
    """
    if not any(isinstance(part, FSDPModule) for part in model.modules()):
        return None
    reshard(model)
    state = get_model_state_dict(
        model,
        options=StateDictOptions(
            full_state_dict=True, cpu_offload=True, ignore_frozen_params=isinstance(model, PeftModel)
        ),
    )
    tied_keys = getattr(model, "all_tied_weights_keys", None) or {}  # other names of weights that are in the state
    return {name: weight for name, weight in state.items() if name not in tied_keys}
