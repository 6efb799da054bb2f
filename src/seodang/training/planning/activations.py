"""Trace one micro-batch forward and backward on tensors without content, and record its memory and operations.

The model's own code runs under torch's FakeTensorMode, so no knowledge of the architecture is needed: autograd keeps
the same tensors as in training. A dispatch mode sees each operation and follows the tensors that are alive.
"""

from __future__ import annotations

import weakref
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedConfig

from seodang.config import TrainParams
from seodang.errors import ModelError
from seodang.i18n import _
from seodang.training.kernels.chunked_loss import chunked_cross_entropy, read_logit_scaling
from seodang.training.planning.meta_model import MetaModel, build_meta_model, truncate_config
from seodang.training.planning.micro_batches import MicroBatchShape

_TRACED_LAYERS = (2, 4)  # a deeper model is traced with these numbers of layers and extrapolated linearly
_MATMUL_OPS = ("mm", "addmm", "bmm", "baddbmm", "linear", "convolution")


@dataclass(frozen=True, slots=True)
class Trace:
    """Memory and operations of one micro-batch, without weights and their gradients."""

    activations: float  # bytes that autograd keeps from the forward pass of the layers
    peak: float  # maximum of the bytes that are alive
    forward_flops: float
    flops: float  # forward, backward and recomputation
    moved_bytes: float  # bytes read and written by all operations but matrix products
    operations: float
    matmul_shapes: int  # different matrix products


def trace_micro_batch(
    config: PreTrainedConfig, train: TrainParams, shape: MicroBatchShape, *, autocast: bool, folder: Path | None = None
) -> Trace:
    """Return memory and operations of a micro-batch.

    Args:
        config: The configuration of the base.
        train: Method, precision, activation checkpointing, kernels.
        shape: Shape of the micro-batch.
        autocast: Whether the arithmetic runs under autocast.
        folder: The checkpoint, which may hold trusted code; None if only its configuration is known.

    Raises:
        ModelError: If the model's code cannot run on tensors without content.
    """
    plain = train.model_copy(update={"activation_checkpointing": False})
    full = _extrapolate(config, plain, shape, autocast, folder)
    if not train.activation_checkpointing:
        return full
    # Recomputed fake tensors are not freed as real ones are. So the peak is a sum: the kept inputs of all layers,
    # the activations of one layer, and the further memory of a backward pass.
    checkpointed = _extrapolate(config, train, shape, autocast, folder)
    layer = full.activations / int(config.get_text_config().num_hidden_layers)
    return replace(checkpointed, peak=checkpointed.activations + layer + full.peak - full.activations)


def _extrapolate(
    config: PreTrainedConfig, train: TrainParams, shape: MicroBatchShape, autocast: bool, folder: Path | None
) -> Trace:
    layers = int(config.get_text_config().num_hidden_layers)
    few, more = _TRACED_LAYERS
    if layers <= more:
        return _trace(build_meta_model(config, train, folder), shape, autocast)
    low, high = (
        _trace(build_meta_model(truncate_config(config, count), train, folder), shape, autocast)
        for count in (few, more)
    )
    steps = (layers - few) / (more - few)
    values = {
        field.name: getattr(low, field.name) + steps * (getattr(high, field.name) - getattr(low, field.name))
        for field in fields(Trace)
    }
    return Trace(**{**values, "matmul_shapes": high.matmul_shapes})


def _trace(meta_model: MetaModel, shape: MicroBatchShape, autocast: bool) -> Trace:
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            _replace_meta_tensors(meta_model.tuned_model)
            inputs = _build_inputs(shape)
            recorder = _DispatchRecorder(meta_model.tuned_model)
            counter = FlopCounterMode(display=False)
            with counter, recorder, torch.autocast("cpu", torch.bfloat16) if autocast else nullcontext():
                hidden = _compute_hidden(meta_model, shape, inputs)
                live_bytes = recorder.live
                head = meta_model.model.get_output_embeddings()
                cap, scale = read_logit_scaling(meta_model.model)
                loss = chunked_cross_entropy(
                    hidden,
                    head.weight,
                    head.bias,
                    torch.zeros(shape.label_tokens, dtype=torch.long),
                    softcap=cap,
                    scale=scale,
                )
                forward = counter.get_total_flops()
                del hidden
                loss.backward()
            return Trace(
                live_bytes,
                recorder.peak,
                forward,
                counter.get_total_flops(),
                recorder.moved_bytes,
                recorder.operations,
                len(recorder.matmuls),
            )
    except RuntimeError as error:  # torch, on code that reads values or has no kernel for tensors without content
        raise ModelError(
            _(
                "the memory of this model cannot be planned without its weights ({kind}: {error});"
                " training may still work: run dvc repro train",
                kind=type(error).__name__,
                error=str(error).partition("\n")[0],
            )
        ) from error


def _replace_meta_tensors(tuned_model: torch.nn.Module) -> None:
    """Replace each meta tensor by a fake CPU tensor, so that torch selects the kernels of a real device."""
    fakes: dict[int, tuple[Any, Tensor]] = {}
    for module in tuned_model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is None:
                    continue
                if id(tensor) not in fakes:
                    fake = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
                    fakes[id(tensor)] = (
                        torch.nn.Parameter(fake, tensor.requires_grad)
                        if isinstance(tensor, torch.nn.Parameter)
                        else fake,
                        tensor,
                    )
                tensors[name] = fakes[id(tensor)][0]
    for weight in tuned_model.parameters():
        if weight.requires_grad:
            weight.grad = torch.empty_like(weight)  # exists from the first micro-batch on; counted separately


def _build_inputs(shape: MicroBatchShape) -> dict[str, Any]:
    dtype = torch.long
    if not shape.packed:
        (rows, length) = shape.groups[0]
        return {"input_ids": torch.zeros(rows, length, dtype=dtype)}
    return {
        "input_ids": torch.zeros(1, shape.tokens, dtype=dtype),
        "position_ids": torch.zeros(1, shape.tokens, dtype=dtype),
        "attention_rows": tuple(torch.zeros(records, longest, dtype=dtype) for records, longest in shape.groups),
        "result_rows": torch.zeros(shape.tokens, dtype=dtype),
    }


def _compute_hidden(meta_model: MetaModel, shape: MicroBatchShape, inputs: dict[str, Any]) -> Tensor:
    """Return the input (L, size) of the output layer."""
    rows = torch.zeros(shape.label_tokens, dtype=torch.long)
    meta_model.selection.rows = rows
    states = meta_model.model.base_model(**inputs, use_cache=False).last_hidden_state
    hidden: Tensor = states.flatten(0, 1).index_select(0, rows).index_select(0, rows)
    return hidden


class _DispatchRecorder(TorchDispatchMode):
    """Follows the storages that operations create, until they are freed."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self.moved_bytes = self.operations = 0
        self.matmuls: set[Any] = set()
        self._storage_bytes: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        for tensor in (
            *model.parameters(),
            *model.buffers(),
            *(weight.grad for weight in model.parameters() if weight.grad is not None),
        ):
            self._storage_bytes[tensor.untyped_storage()] = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = operation(*args, **(kwargs or {}))
        self.operations += 1
        results = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        fresh = [tensor for tensor in results if self._add(tensor)]
        self.peak = max(self.peak, self.live)
        name = operation._schema.name.partition("::")[2]
        inputs = [leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]
        if name.rstrip("_") in _MATMUL_OPS:
            self.matmuls.add((name, *(tuple(tensor.shape) for tensor in inputs)))
        elif fresh or operation._schema.is_mutable:
            self.moved_bytes += sum(tensor.numel() * tensor.element_size() for tensor in (*inputs, *(fresh or results)))
        return output

    def _add(self, tensor: Tensor) -> bool:
        storage = tensor.untyped_storage()
        if storage in self._storage_bytes:
            return False
        size = storage.nbytes()
        self._storage_bytes[storage] = size
        self.live += size
        weakref.finalize(storage, self._free, size)
        return True

    def _free(self, size: int) -> None:
        self.live -= size
