"""Run one pass forward and backward on tensors that have a shape and no content, and note what it would hold and do.

The model's own code runs, under torch's FakeTensorMode, so that nothing has to be known about an architecture: what autograd
keeps is what it would keep. Each operation is seen by a dispatch mode, which follows the tensors that are alive.
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
from seodang.training.kernels.chunked_loss import chunked_cross_entropy, read_logit_scaling
from seodang.training.planning.meta_model import MetaModel, build_meta_model, truncate_config
from seodang.training.planning.micro_batches import MicroBatchShape

_TRACED_LAYERS = (2, 4)  # a deeper model is traced with so many and drawn out in a straight line: its layers are alike
_MATMUL_OPS = ("mm", "addmm", "bmm", "baddbmm", "linear", "convolution")


@dataclass(frozen=True, slots=True)
class Trace:
    """What one pass takes, besides weights and their gradients."""

    activations: float  # bytes that autograd keeps from the forward pass of the layers
    peak: float  # bytes alive at the fullest moment
    forward_flops: float
    flops: float  # forward, backward and recomputation
    moved_bytes: float  # bytes read and written by operations that are no matrix products
    operations: float
    matmul_shapes: int  # different matrix products


def trace_micro_batch(
    config: PreTrainedConfig, train: TrainParams, shape: MicroBatchShape, *, autocast: bool, folder: Path | None = None
) -> Trace:
    """Return what a pass of this shape takes.

    Args:
        config: The base's.
        train: Method, precision, checkpointing.
        shape: Of the pass.
        mixed: Whether the arithmetic runs under autocast.
        folder: Of the checkpoint, where it has trusted code of its own.

    Raises:
        ModelError: If the model's code cannot run without content.
    """
    plain = train.model_copy(update={"activation_checkpointing": False})
    full = _extrapolate(config, plain, shape, autocast, folder)
    if not train.activation_checkpointing:
        return full
    # Fake tensors that are computed anew are not let go as real ones are, so that the peak is put together: the kept
    # inputs of all layers, what one layer keeps, and what a backward pass needs besides.
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
    except (
        RuntimeError
    ) as error:  # torch's own for code that looks at values, or has no kernel for tensors without content
        raise ModelError(
            f"a pass of this model cannot be followed without its weights ({type(error).__name__}: {str(error).partition(chr(10))[0]}); training may work all the same"
        ) from error


def _replace_meta_tensors(tuned_model: torch.nn.Module) -> None:
    """Put fake tensors in place of those of the meta device, one for each, so that kernels are chosen as on a real device."""
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
            weight.grad = torch.empty_like(weight)  # stands there from the first pass on; counted by itself


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
    """Return the states (L, size) that the head is applied to."""
    rows = torch.zeros(shape.label_tokens, dtype=torch.long)
    meta_model.selection.rows = rows
    states = meta_model.model.base_model(**inputs, use_cache=False).last_hidden_state
    hidden: Tensor = states.flatten(0, 1).index_select(0, rows).index_select(0, rows)
    return hidden


class _DispatchRecorder(TorchDispatchMode):
    """Follows the storages that operations make, until they are freed."""

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
