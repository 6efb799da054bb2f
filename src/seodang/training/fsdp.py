"""Weights spread over the processes that train together (FSDP, version 2, through accelerate), and gathered again.

A decoder layer is one unit: it is gathered before it computes, forward and backward, and spread again after it, its
gradients too. Base and adapter may differ in precision: units keep the precision of each weight.
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

# Gradients are added up in fp32 whatever the arithmetic is done in, and a loss is not rounded.
_BF16_POLICY = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)


def build_sharding_kwargs(train: TrainParams) -> dict[str, Any]:
    """Return the arguments of TrainingArguments that decide on sharding and on recomputing activations."""
    settings: dict[str, Any] = {"activation_checkpointing": train.activation_checkpointing}
    if train.sharding == "fsdp":
        # Each process writes its part of a checkpoint. The plugin's own recomputing gathers once less, but renames the layers, and peft then finds no adapter to save.
        settings |= {"fsdp": True, "fsdp_config": {"version": 2, "state_dict_type": "SHARDED_STATE_DICT"}}
    return settings


def keep_fp32(plugin: FullyShardedDataParallelPlugin, precision: str) -> None:
    """Let accelerate's plugin compute in bf16 where the run does, and keep sums and results in fp32; by itself it would round these, too.

    Args:
        precision: "bf16" for mixed precision, else "no".
    """
    if precision == "bf16":
        plugin.mixed_precision_policy = _BF16_POLICY


def shard_on_cpu(accelerator: Accelerator, plugin: FullyShardedDataParallelPlugin) -> None:
    """Let accelerate shard on CPUs, where torch can (gloo) and accelerate leaves the plugin aside."""
    accelerator.state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = plugin
    PartialState._shared_state["distributed_type"] = DistributedType.FSDP


def reshard(model: torch.nn.Module) -> None:
    """Spread units again that a pass without a backward pass has left gathered; nothing where nothing is sharded."""
    for part in model.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def full_tensor(weight: Tensor) -> Tensor:
    """Return a weight as a plain tensor; where it is sharded, every process must ask for it."""
    return weight.full_tensor() if isinstance(weight, DTensor) else weight


def gather_full_state(model: torch.nn.Module) -> dict[str, Any] | None:
    """Return what was learned of a sharded model in the first process's memory (of an adapted one the adapter alone); None where nothing is sharded.

    Every process must ask for it; the others get an empty dictionary.
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
    tied_keys = (
        getattr(model, "all_tied_weights_keys", None) or {}
    )  # each of them is another weight, which is there already
    return {name: weight for name, weight in state.items() if name not in tied_keys}
