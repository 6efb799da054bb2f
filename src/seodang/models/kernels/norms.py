"""RMSNorm in one call of torch: the models make six, which in small models take more time than the arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seodang.models.rms_norms import get_epsilon, get_weight_offset, is_known_norm


@contextmanager
def use_fused_norms(model: nn.Module) -> Iterator[None]:
    """Replace the norms of a model for some time.

    In fp32 only: the models round other dtypes before the weight, and torch after it.

    Args:
        model: In evaluation mode; its weights may not change meanwhile.
    """
    norms: list[Any] = [
        layer
        for layer in model.modules()
        if is_known_norm(layer) and layer.weight.dtype == torch.float32 and "forward" not in layer.__dict__
    ]
    for norm in norms:
        weight = norm.weight.detach() + get_weight_offset(norm)
        norm.forward = partial(_normalize, weight, get_epsilon(norm), norm.forward)
    try:
        yield
    finally:
        for norm in norms:
            norm.__dict__.pop("forward", None)


def _normalize(weight: Tensor, epsilon: float, original: Any, values: Tensor) -> Tensor:
    if values.dtype != weight.dtype:
        result: Tensor = original(values)
        return result
    return nn.functional.rms_norm(values, weight.shape, weight, epsilon)
