"""Linear layers on a CPU with weights in the order in which oneDNN reads them.

torch multiplies with MKL, which orders the weight anew in each call and on some CPUs uses half of their vector width.
A packed weight, as torch.compile makes it of a frozen model, takes a third to two thirds of the time for the few rows
of continuous batching. It also gives each row the same bits for any number of rows from two.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final, Self

import torch
from torch import Tensor, nn

_ROWS_HINT: Final = 16  # oneDNN chooses the order of a weight by it; one order serves all numbers of rows
_MAX_BYTES: Final = 2 * 2**30  # the layers keep their own weights: other readers need them
_TOLERANCES: Final = {torch.float32: 1e-4, torch.bfloat16: 3e-2}


class PackedLinears:
    """The packed weights of a model."""

    def __init__(self, layers: Iterable[nn.Linear], *, is_complete: bool) -> None:
        """Remember what was packed; see pack().

        Args:
            layers: Layers with a packed weight.
            is_complete: Whether the model has no other products with weights.
        """
        self._layers = list(layers)
        self.is_complete = is_complete
        """Whether each row has the same bits in a product of any number of rows from two."""

    @classmethod
    def pack(cls, model: nn.Module) -> Self:
        """Let the linear layers of a model compute with packed weights.

        Nothing is packed if the model is not on a CPU, its linear layers have more than 2 GiB or another dtype than
        fp32 and bf16, or this CPU's products are not what packing needs.

        Args:
            model: In evaluation mode; its weights may not change before restore().
        """
        layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
        size = sum(layer.weight.numel() * layer.weight.element_size() for layer in layers)
        if not layers or size > _MAX_BYTES or not all(map(_is_packable, layers)):
            return cls([], is_complete=False)
        packed = [_pack_weight(layer.weight) for layer in layers]
        if not _are_verified(layers, packed):
            return cls([], is_complete=False)
        for layer, weight in zip(layers, packed, strict=True):
            layer.forward = partial(_multiply, layer, weight)  # type: ignore[method-assign]
        return cls(layers, is_complete=_has_no_other_weights(model, layers))

    def restore(self) -> None:
        """Let the layers compute as before, and free the packed weights."""
        for layer in self._layers:
            layer.__dict__.pop("forward", None)
        self._layers = []


def _is_packable(layer: nn.Linear) -> bool:
    weight = layer.weight
    return (
        type(layer) is nn.Linear
        and "forward" not in layer.__dict__
        and weight.device.type == "cpu"
        and weight.dtype in _TOLERANCES
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )


@torch.inference_mode()
def _pack_weight(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), _ROWS_HINT)
    return packed


def _multiply(layer: nn.Linear, weight: Tensor, values: Tensor) -> Tensor:
    if torch.is_grad_enabled():  # the packed product has no gradient
        return nn.functional.linear(values, layer.weight, layer.bias)
    return _multiply_packed(values, weight, layer.bias)


def _multiply_packed(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise.default(values, weight, bias, "none", [], "")
    return product


@torch.inference_mode()
def _are_verified(layers: list[nn.Linear], packed: list[Tensor]) -> bool:
    """Return whether a layer of each shape gives the usual values, and rows their bits whatever their number."""
    examples = {layer.weight.shape: (layer, weight) for layer, weight in zip(layers, packed, strict=True)}
    generator = torch.Generator().manual_seed(0)
    for layer, weight in examples.values():
        values = torch.randn(_ROWS_HINT + 1, layer.in_features, generator=generator).to(layer.weight.dtype)
        usual = layer(values)
        product = _multiply_packed(values, weight, layer.bias)
        scale = float(usual.abs().max())
        if not torch.allclose(product, usual, rtol=0, atol=_TOLERANCES[usual.dtype] * scale, equal_nan=True):
            return False
        if not torch.equal(_multiply_packed(values[:2], weight, layer.bias).nan_to_num(), product[:2].nan_to_num()):
            return False
    return True


def _has_no_other_weights(model: nn.Module, layers: list[nn.Linear]) -> bool:
    """Return whether all matrices of the model belong to its linear layers or embeddings."""
    embeddings: list[Any] = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    known = {id(module.weight) for module in [*layers, *embeddings]}
    return all(parameter.ndim < 2 or id(parameter) in known for parameter in model.parameters())
