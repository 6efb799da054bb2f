"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864) as one step of autograd.

The models compute it in eight steps a tensor with copies of the turned halves, twice a layer and again in the backward pass;
here it is three, written into one new tensor, and nothing but the angles is kept for the way back.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor

_NAME = "apply_rotary_pos_emb"


class _Rotation(torch.autograd.Function):
    """x * cos + (-x2, x1) * sin, where x1 and x2 are the halves of the last dimension."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:  # noqa: ANN401 - torch's signature
        ctx.save_for_backward(cos, sin)
        half = x.shape[-1] // 2
        out = x * cos
        out[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
        out[..., half:].addcmul_(x[..., :half], sin[..., half:])
        return out

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:  # noqa: ANN401
        cos, sin = ctx.saved_tensors
        gradient, half = upstream[0], upstream[0].shape[-1] // 2
        back = gradient * cos
        back[..., :half].addcmul_(gradient[..., half:], sin[..., half:])
        back[..., half:].addcmul_(gradient[..., :half], sin[..., :half], value=-1)
        return back, None, None


def _rotating(own: Callable[..., Any]) -> Callable[..., Any]:
    """Return what takes the place of a model's own function; where not all of a head turns, that one goes on."""

    def rotate(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, unsqueeze_dim: int = 1) -> Any:  # noqa: ANN401 - as the model's own
        if not q.shape[-1] == k.shape[-1] == cos.shape[-1] or not q.dtype == k.dtype == cos.dtype:
            return own(q, k, cos, sin, unsqueeze_dim=unsqueeze_dim)
        cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
        return _Rotation.apply(q, cos, sin), _Rotation.apply(k, cos, sin)  # type: ignore[no-untyped-call]

    return rotate


def fuse_rotary(model: torch.nn.Module) -> int:
    """Give every attention layer that turns its queries and keys in the usual way the fused step; return how many there are.

    The layer's own forward stays; only the name by which it calls the function means another one, in this layer alone.
    """
    fused = 0
    for layer in model.modules():
        forward = type(layer).forward
        own = forward.__globals__.get(_NAME) if isinstance(forward, FunctionType) and _NAME in forward.__code__.co_names else None
        if own is not None and "forward" not in vars(layer) and _is_usual(own):
            bound = FunctionType(forward.__code__, {**forward.__globals__, _NAME: _rotating(own)}, forward.__name__, forward.__defaults__, forward.__closure__)
            bound.__kwdefaults__ = forward.__kwdefaults__
            layer.forward = MethodType(bound, layer)
            fused += 1
    return fused


def _is_usual(function: Any) -> bool:  # noqa: ANN401 - whatever the module calls by the name
    """Return whether a model's function computes what ours does, on numbers that tell."""
    q, k, angles = (torch.arange(1.0, 1 + 2 * count * 8).reshape(1, count, 2, 8).sin() for count in (2, 1, 1))
    angles = angles[:, 0, :, :4].repeat(1, 1, 2)
    try:
        found = function(q, k, angles.cos(), angles.sin())
        return all(torch.allclose(own, ours, atol=1e-6) for own, ours in zip(found, _rotating(function)(q, k, angles.cos(), angles.sin()), strict=True))
    except (TypeError, ValueError, RuntimeError):
        return False
