"""Memory of one training process, by part."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from seodang.config import TrainParams
from seodang.models.methods import get_method
from seodang.training.planning.activations import Trace
from seodang.training.planning.meta_model import DTYPES, WeightSizes
from seodang.training.planning.micro_batches import MicroBatchStats

_ADAMW_BYTES = 8  # per parameter: two moments in fp32
_GRADIENT_BYTES = 4
# oneDNN compiles a kernel for each size of a bf16 product. It keeps 1024 of them (its documented default), each of
# about 0.5 MB (measured, docs/plan.md).
_KERNEL_CACHE_CAPACITY, _KERNEL_BYTES = 1024, 500_000
_KERNEL_CACHE_ENV = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
_RUNTIME_BYTES = 64 << 20  # loaded later by a run on a CPU: model code, threads, trackers (measured, docs/plan.md)
_CUDA_CONTEXT_BYTES = 600_000_000  # driver context and cuBLAS workspaces; not measured
_CUDA_RESERVE_RATIO = 0.05  # of the allocated memory, lost between blocks; not measured
# Files with the memory limit of a container.
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Maximum memory of one process, in bytes."""

    parts: Mapping[str, int]  # weights, adapter, gradients, optimizer, activations, loss, kernels, process
    training: int  # their sum
    loading: int  # peak while the weights are read
    processes: int  # processes that share the memory

    @property
    def peak(self) -> int:
        """Return the peak of all processes that share the memory."""
        return max(self.training, self.loading) * self.processes


def estimate_memory(
    weights: WeightSizes,
    trace: Trace,
    micro_batches: MicroBatchStats,
    train: TrainParams,
    *,
    device: str,
    process_bytes: int,
    file_bytes: int,
    converted: bool,
) -> Memory:
    """Return the memory that training needs.

    Args:
        weights: Sizes of the model with its trainable weights.
        trace: Trace of the largest micro-batch.
        micro_batches: Micro-batches of an epoch.
        train: Method, precision, processes.
        device: "cpu", "mps" or "cuda".
        process_bytes: Memory of a process that has loaded libraries and tokenizer; ignored on CUDA.
        file_bytes: Size of the checkpoint's weights.
        converted: Whether the weights change their precision when they are read; then both are in memory for a moment.
    """
    method = get_method(train)
    shards = train.processes if train.sharding == "fsdp" else 1
    gathered_bytes = (
        2 * weights.layer_bytes if shards > 1 else 0
    )  # the current layer, and the next one while it is gathered
    adapter_bytes = weights.trainable_bytes if method.has_adapter else 0
    dequantized_bytes = weights.largest_linear * DTYPES[train.precision].itemsize if method.loads_in_4bit else 0
    parts = {
        "weights": weights.base_bytes // shards + gathered_bytes,
        "adapter": adapter_bytes // shards,
        "gradients": weights.trainable * _GRADIENT_BYTES // shards,
        "optimizer": weights.trainable * _ADAMW_BYTES // shards,
        "activations": round(trace.activations),
        "loss": round(trace.peak - trace.activations) + dequantized_bytes,
        "kernels": _estimate_kernel_bytes(trace, micro_batches, train, device),
        "process": process_bytes + _RUNTIME_BYTES,
    }
    if device == "cuda":
        parts["process"] = _CUDA_CONTEXT_BYTES + round(
            _CUDA_RESERVE_RATIO * sum(value for name, value in parts.items() if name != "process")
        )
    file_buffer = file_bytes if converted and device != "cuda" else 0
    loading = parts["process"] + weights.base_bytes + file_buffer
    return Memory(
        parts=parts, training=sum(parts.values()), loading=loading, processes=1 if device == "cuda" else train.processes
    )


def _estimate_kernel_bytes(trace: Trace, micro_batches: MicroBatchStats, train: TrainParams, device: str) -> int:
    if device != "cpu" or train.precision != "bf16":
        return 0
    capacity = int(os.environ.get(_KERNEL_CACHE_ENV, _KERNEL_CACHE_CAPACITY))
    return (
        min(capacity, micro_batches.sizes * trace.matmul_shapes) if micro_batches.is_sampled else capacity
    ) * _KERNEL_BYTES


def read_memory_capacity(device: str) -> tuple[int, int]:
    """Return the total and the free memory of the device, in bytes."""
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return int(total), int(free)
    system = psutil.virtual_memory()
    limits = [int(text) for file in _CGROUP_LIMITS if file.is_file() and (text := file.read_text().strip()).isdigit()]
    total = min([system.total, *limits])
    return total, min(system.available, total)


def read_resident_bytes() -> int:
    """Return the resident memory of this process, in bytes."""
    return int(psutil.Process().memory_info().rss)
