"""A linear layer and its LoRA branch as one autograd function.

peft's layer computes base(x) + scale * B(A(x)): four tensors as large as the output, some of which autograd keeps. Here
the branch is added in place to the base's output, and its gradient to the base's gradient. Autograd keeps only A(x),
which has few columns. (Unsloth's and LoRAFusion's kernels do the same; this one uses torch's matrix products and so
runs on every device.)
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor


class _LoRALinear(torch.autograd.Function):
    """x @ W.T + bias + scale * (x @ A.T) @ B.T, W and bias frozen; x has shape (tokens, columns)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        down, up = down.to(x.dtype), up.to(x.dtype)
        low = x @ down.t()
        out = torch.nn.functional.linear(x, weight, bias)
        out.addmm_(low, up.t(), alpha=scale)
        ctx.save_for_backward(x, weight, down, up, low)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        x, weight, down, up, low = ctx.saved_tensors
        gradient = upstream[0]
        narrow = (gradient @ up).mul_(ctx.scale)
        grad_up = (gradient.t() @ low).mul_(ctx.scale)
        grad_down = narrow.t() @ x
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = gradient @ weight
            grad_x.addmm_(narrow, down)
        return grad_x, None, None, grad_down, grad_up, None


def _forward(self: Linear, x: Tensor, *_: Any, **__: Any) -> Tensor:
    name = self.active_adapters[0]
    # The views are outside the function: a view that it returned could not be modified in place, as RoCBert does.
    out: Tensor = _LoRALinear.apply(
        x.reshape(-1, x.shape[-1]),
        self.base_layer.weight,
        self.base_layer.bias,
        self.lora_A[name].weight,
        self.lora_B[name].weight,
        self.scaling[name],
    )  # type: ignore[no-untyped-call]
    return out.view(*x.shape[:-1], out.shape[-1])


def fuse_lora(model: torch.nn.Module) -> int:
    """Patch every plain LoRA layer over a plain, frozen linear layer; return the number of patched layers.

    Not patched: DoRA, dropout, quantized bases, biases in the branch, several adapters.
    """
    fused = 0
    for layer in model.modules():
        if type(layer) is Linear and _is_plain(layer):
            layer.forward = MethodType(_forward, layer)
            fused += 1
    return fused


def _is_plain(layer: Linear) -> bool:
    names = layer.active_adapters
    base = layer.base_layer
    return (
        type(base) is torch.nn.Linear
        and not base.weight.requires_grad
        and len(names) == 1
        and names[0] in layer.lora_A
        and names[0] not in layer.lora_variant
        and isinstance(layer.lora_dropout[names[0]], torch.nn.Identity)
        and layer.lora_B[names[0]].bias is None
        and layer.lora_A[names[0]].bias is None
    )
