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
from seodang.training.kernels.chunked_loss import chunked_cross_entropy, logit_shape
from seodang.training.planning.meta_model import Skeleton, build, shortened
from seodang.training.planning.passes import PassShape

_TRACED_LAYERS = (2, 4)  # a deeper model is traced with so many and drawn out in a straight line: its layers are alike
_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "linear", "convolution")


@dataclass(frozen=True, slots=True)
class Trace:
    """What one pass takes, besides weights and their gradients."""

    activations: float  # bytes that autograd keeps from the forward pass of the layers
    peak: float  # bytes alive at the fullest moment
    forward_flops: float
    flops: float  # forward, backward and recomputation
    moved: float  # bytes read and written by operations that are no matrix products
    operations: float
    product_shapes: int  # different matrix products


def trace_pass(
    config: PreTrainedConfig, train: TrainParams, shape: PassShape, *, mixed: bool, folder: Path | None = None
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
    kept = _drawn_out(config, plain, shape, mixed, folder)
    if not train.activation_checkpointing:
        return kept
    # Fake tensors that are computed anew are not let go as real ones are, so that the peak is put together: the kept
    # inputs of all layers, what one layer keeps, and what a backward pass needs besides.
    found = _drawn_out(config, train, shape, mixed, folder)
    layer = kept.activations / int(config.get_text_config().num_hidden_layers)
    return replace(found, peak=found.activations + layer + kept.peak - kept.activations)


def _drawn_out(
    config: PreTrainedConfig, train: TrainParams, shape: PassShape, mixed: bool, folder: Path | None
) -> Trace:
    layers = int(config.get_text_config().num_hidden_layers)
    few, more = _TRACED_LAYERS
    if layers <= more:
        return _traced(build(config, train, folder), shape, mixed)
    low, high = (_traced(build(shortened(config, count), train, folder), shape, mixed) for count in (few, more))
    steps = (layers - few) / (more - few)
    drawn = {
        field.name: getattr(low, field.name) + steps * (getattr(high, field.name) - getattr(low, field.name))
        for field in fields(Trace)
    }
    return Trace(**{**drawn, "product_shapes": high.product_shapes})


def _traced(skeleton: Skeleton, shape: PassShape, mixed: bool) -> Trace:
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            _give_shapes(skeleton.tuned)
            inputs = _inputs(shape)
            watch = _Watch(skeleton.tuned)
            counter = FlopCounterMode(display=False)
            with counter, watch, torch.autocast("cpu", torch.bfloat16) if mixed else nullcontext():
                hidden = _hidden(skeleton, shape, inputs)
                kept = watch.live
                head = skeleton.model.get_output_embeddings()
                cap, scale = logit_shape(skeleton.model)
                loss = chunked_cross_entropy(
                    hidden,
                    head.weight,
                    head.bias,
                    torch.zeros(shape.learned, dtype=torch.long),
                    softcap=cap,
                    scale=scale,
                )
                forward = counter.get_total_flops()
                del hidden
                loss.backward()
            return Trace(
                kept, watch.peak, forward, counter.get_total_flops(), watch.moved, watch.operations, len(watch.products)
            )
    except (
        RuntimeError
    ) as error:  # torch's own for code that looks at values, or has no kernel for tensors without content
        raise ModelError(
            f"a pass of this model cannot be followed without its weights ({type(error).__name__}: {str(error).partition(chr(10))[0]}); training may work all the same"
        ) from error


def _give_shapes(tuned: torch.nn.Module) -> None:
    """Put fake tensors in place of those of the meta device, one for each, so that kernels are chosen as on a real device."""
    made: dict[int, tuple[Any, Tensor]] = {}
    for module in tuned.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is None:
                    continue
                if id(tensor) not in made:
                    fake = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
                    made[id(tensor)] = (
                        torch.nn.Parameter(fake, tensor.requires_grad)
                        if isinstance(tensor, torch.nn.Parameter)
                        else fake,
                        tensor,
                    )
                held[name] = made[id(tensor)][0]
    for weight in tuned.parameters():
        if weight.requires_grad:
            weight.grad = torch.empty_like(weight)  # stands there from the first pass on; counted by itself


def _inputs(shape: PassShape) -> dict[str, Any]:
    whole = torch.long
    if not shape.packed:
        (rows, length) = shape.groups[0]
        return {"input_ids": torch.zeros(rows, length, dtype=whole)}
    return {
        "input_ids": torch.zeros(1, shape.tokens, dtype=whole),
        "position_ids": torch.zeros(1, shape.tokens, dtype=whole),
        "attention_rows": tuple(torch.zeros(records, longest, dtype=whole) for records, longest in shape.groups),
        "own_rows": torch.zeros(shape.tokens, dtype=whole),
    }


def _hidden(skeleton: Skeleton, shape: PassShape, inputs: dict[str, Any]) -> Tensor:
    """Return the states (L, size) that the head is applied to."""
    rows = torch.zeros(shape.learned, dtype=torch.long)
    skeleton.answers.rows = rows
    states = skeleton.model.base_model(**inputs, use_cache=False).last_hidden_state
    taken: Tensor = states.flatten(0, 1).index_select(0, rows).index_select(0, rows)
    return taken


class _Watch(TorchDispatchMode):
    """Follows the storages that operations make, until they are freed."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self.moved = self.operations = 0
        self.products: set[Any] = set()
        self._seen: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        for tensor in (
            *model.parameters(),
            *model.buffers(),
            *(weight.grad for weight in model.parameters() if weight.grad is not None),
        ):
            self._seen[tensor.untyped_storage()] = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = operation(*args, **(kwargs or {}))
        self.operations += 1
        results = [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
        fresh = [tensor for tensor in results if self._add(tensor)]
        self.peak = max(self.peak, self.live)
        name = operation._schema.name.partition("::")[2]
        given = [leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]
        if name.rstrip("_") in _PRODUCTS:
            self.products.add((name, *(tuple(tensor.shape) for tensor in given)))
        elif fresh or operation._schema.is_mutable:
            self.moved += sum(tensor.numel() * tensor.element_size() for tensor in (*given, *(fresh or results)))
        return found

    def _add(self, tensor: Tensor) -> bool:
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return False
        size = storage.nbytes()
        self._seen[storage] = size
        self.live += size
        weakref.finalize(storage, self._free, size)
        return True

    def _free(self, size: int) -> None:
        self.live -= size
