"""Chunked cross-entropy over label positions only; the full logits never exist.

With a vocabulary of 262,144 tokens, the logits of a 384-token record take 0.4 GB in fp32. Their softmax and its
gradient take as much again. Here each chunk of logits becomes loss and gradient before the next chunk is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from seodang.training.kernels.last_layer import RowSelection, patch_last_layer

# Size of one chunk of logits. Larger chunks use the matrix kernels slightly better, smaller ones stay in the cache.
_CHUNK_BYTES = 1 << 26
# The rows of a chunk are a multiple of this: oneDNN compiles a bf16 kernel for each new number of rows.
_ROW_MULTIPLE = 32
# Model types whose `logits_scaling` is a factor; for all others (Granite, MiniCPM3) it is a divisor.
_MULTIPLYING_MODEL_TYPES = {"hyperclovax", "hyperclovax_text"}
_SLICE_BYTES = 1 << 23  # part of a chunk that becomes probabilities in fp32 at a time


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of the cross-entropies of hidden @ weight.T; the forward pass computes the gradients, chunk by chunk."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        softcap: float | None,
        scale: float,
    ) -> Tensor:
        needs_grad = ctx.needs_input_grad[:3]
        grads = _Gradients(hidden, weight, bias, needs_grad)
        rows = max(1, _CHUNK_BYTES // (weight.shape[0] * hidden.element_size() * _ROW_MULTIPLE)) * _ROW_MULTIPLE
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, hidden.shape[0], rows):
            part = slice(start, start + rows)
            logits = torch.nn.functional.linear(hidden[part], weight, bias)
            chunk_targets = targets[part]
            total += _compute_loss_and_gradient(
                logits[: len(chunk_targets)], chunk_targets, softcap, scale, any(needs_grad)
            )
            logits[len(chunk_targets) :].zero_()  # padding rows have no gradient
            grads.add(part, logits, hidden, weight)
        ctx.save_for_backward(*grads.collect())
        ctx.needs_grad = needs_grad
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        gradients = iter(ctx.saved_tensors)
        return (*(next(gradients).mul_(upstream[0]) if needed else None for needed in ctx.needs_grad), None, None, None)


class _Gradients:
    """The required gradients of hidden, weight and bias, filled chunk by chunk."""

    def __init__(self, hidden: Tensor, weight: Tensor, bias: Tensor | None, needs_grad: tuple[bool, ...]) -> None:
        self._hidden = torch.empty_like(hidden) if needs_grad[0] else None
        self._weight = torch.zeros_like(weight) if needs_grad[1] else None
        self._bias = torch.zeros_like(bias) if needs_grad[2] and bias is not None else None

    def add(self, part: slice, gradient: Tensor, hidden: Tensor, weight: Tensor) -> None:
        """Add the contribution of one chunk, whose logits have the gradient (rows, vocabulary)."""
        if self._hidden is not None:
            torch.mm(gradient, weight, out=self._hidden[part])
        if self._weight is not None:
            self._weight.addmm_(gradient.t(), hidden[part])
        if self._bias is not None:
            self._bias += gradient.sum(dim=0)

    def collect(self) -> list[Tensor]:
        return [gradient for gradient in (self._hidden, self._weight, self._bias) if gradient is not None]


def _compute_loss_and_gradient(
    logits: Tensor, targets: Tensor, softcap: float | None, scale: float, needs_gradient: bool
) -> Tensor:
    """Return the sum of the cross-entropies and, if needed, overwrite the logits with their gradient.

    The arithmetic is fp32 in any precision of the logits, a few rows at a time.
    """
    total = logits.new_zeros((), dtype=torch.float32)
    rows = max(1, _SLICE_BYTES // (logits.shape[1] * 4))
    for start in range(0, logits.shape[0], rows):
        part = logits[start : start + rows]
        raw = part.float() if scale == 1.0 else part.float() * scale
        capped = raw if softcap is None else torch.tanh(raw / softcap) * softcap
        indices = targets[start : start + rows, None]
        normalizer = capped.logsumexp(dim=1, keepdim=True)
        total += (normalizer - capped.gather(1, indices)).sum()
        if not needs_gradient:
            continue
        probabilities = capped.sub_(normalizer).exp_() if softcap is None else torch.sub(capped, normalizer).exp_()
        probabilities.scatter_add_(1, indices, torch.full_like(indices, -1, dtype=probabilities.dtype))
        if softcap is not None:
            probabilities *= 1 - (capped / softcap) ** 2
        part.copy_(probabilities if scale == 1.0 else probabilities * scale)
    return total


def chunked_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    softcap: float | None = None,
    scale: float = 1.0,
) -> Tensor:
    """Return the sum of the cross-entropies of L label positions, in nats, in fp32.

    Args:
        hidden: (L, size).
        weight: (vocabulary, size).
        bias: (vocabulary,) or None.
        targets: (L,).
        softcap: Bound of the logits (Gemma 2, arXiv 2408.00118); None: unbounded.
        scale: Factor of the logits.
    """
    kind = hidden.device.type
    if torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
        hidden, weight, bias = hidden.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    if hidden.dtype != torch.float32:
        hidden = torch.nn.functional.pad(hidden, (0, 0, 0, -hidden.shape[0] % _ROW_MULTIPLE))
    with torch.autocast(kind, enabled=False):
        total: Tensor = _ChunkedCrossEntropy.apply(hidden, weight, bias, targets, softcap, scale)  # type: ignore[no-untyped-call]
    return total


@dataclass(slots=True)
class LossMode:
    """How the forward pass computes logits."""

    # By the model's own forward pass, at every token: for architectures whose logits need more than the output layer.
    full_logits: bool
    # The last layer computes the label positions only; False also where its kernel is not in use.
    last_layer_kernel: bool


def patch_completion_loss(model: PreTrainedModel, *, last_layer_kernel: bool = True) -> LossMode:
    """Patch the forward pass to return the loss over `targets`, or without targets the logits at `label_positions`.

    A micro-batch without labels takes the same path through all layers, so that processes that train together
    stay in step. Without `label_positions` the forward pass is the model's own.

    Args:
        model: Changed in place.
        last_layer_kernel: Whether the last layer computes the label positions only.
    """
    original: Callable[..., Any] = model.forward
    selection = RowSelection()
    has_kernel = last_layer_kernel and bool(patch_last_layer(model, selection))
    mode = LossMode(full_logits=False, last_layer_kernel=has_kernel)

    def forward(
        self: PreTrainedModel,
        *arguments: Any,
        label_positions: Tensor | None = None,
        targets: Tensor | None = None,
        active_rows: Tensor | None = None,
        **inputs: Any,
    ) -> Any:
        if label_positions is None:
            selection.rows = None
            return original(*arguments, **inputs)
        if mode.full_logits:
            selection.rows = None
            logits = original(
                *arguments, **{name: value for name, value in inputs.items() if value is not None}, use_cache=False
            ).logits
            return _build_output(logits.flatten(0, 1).index_select(0, label_positions), targets)
        # Without repeats: records with a common prefix may have different labels after it.
        rows = label_positions.unique() if active_rows is None else active_rows
        selection.rows = rows if mode.last_layer_kernel else None
        states = self.base_model(
            *arguments, **{name: value for name, value in inputs.items() if value is not None}, use_cache=False
        ).last_hidden_state
        hidden = states.flatten(0, 1).index_select(0, label_positions)
        head = self.get_output_embeddings()
        cap, scale = read_logit_scaling(self)
        if targets is None:
            return CausalLMOutputWithPast(logits=_scale_logits(head(hidden), cap, scale))
        return CausalLMOutputWithPast(loss=head(hidden, targets=targets, softcap=cap, scale=scale))

    model.forward = MethodType(forward, model)
    head = model.get_output_embeddings()
    head.forward = MethodType(_wrap_head_forward(head.forward), head)
    return mode


def _scale_logits(logits: Tensor, softcap: float | None, scale: float) -> Tensor:
    """Return the logits with the model's factor and bound, as its own forward pass returns them."""
    scaled = logits if scale == 1.0 else logits * scale
    return scaled if softcap is None else torch.tanh(scaled / softcap) * softcap


def _build_output(logits: Tensor, targets: Tensor | None) -> CausalLMOutputWithPast:
    if targets is None:
        return CausalLMOutputWithPast(logits=logits)
    return CausalLMOutputWithPast(loss=torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum"))


def _wrap_head_forward(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a forward pass of the output layer that returns the loss if it gets targets.

    The output layer computes it, as sharded weights are plain tensors only inside the forward pass of their module.
    """

    def forward(
        self: torch.nn.Linear,
        hidden: Tensor,
        *,
        targets: Tensor | None = None,
        softcap: float | None = None,
        scale: float = 1.0,
    ) -> Tensor:
        if targets is None:
            return original(hidden)
        return chunked_cross_entropy(hidden, self.weight, self.bias, targets, softcap=softcap, scale=scale)

    return forward


def read_logit_scaling(model: PreTrainedModel) -> tuple[float | None, float]:
    """Return the bound and the factor of the logits in the model's configuration."""
    config = model.config.get_text_config()
    scaling = getattr(config, "logits_scaling", None)
    factor = getattr(config, "logit_scale", None)
    scale = float(factor) if factor else 1.0
    if scaling:
        scale = float(scaling) if config.model_type in _MULTIPLYING_MODEL_TYPES else 1 / float(scaling)
    return getattr(config, "final_logit_softcapping", None), scale
