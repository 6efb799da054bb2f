"""Linear layers on a CPU with weights in the order in which oneDNN reads them.

torch multiplies with MKL, which orders the weight anew in each call and on some CPUs uses half of their vector width.
A packed weight, as torch.compile makes it of a frozen model, takes a third to two thirds of the time for the few rows
of continuous batching. It also gives each row the same bits for any number of rows from two. Layers with the same
input are one product.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Self

import torch
from torch import Tensor, nn

from seodang.models.kernels.row_counts import list_row_counts, round_row_count

_ROWS_HINT: Final = 16  # oneDNN chooses the order of a weight by it; one order serves all numbers of rows
_MAX_BYTES: Final = 2 * 2**30  # the layers keep their own weights: other readers need them
_TOLERANCES: Final = {torch.float32: 1e-4, torch.bfloat16: 3e-2}
_MAX_PREPARED_BYTES: Final = 8 * 2**20  # of an output
# Children of one module that get the same input, in the models of transformers.
_SIBLINGS: Final = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


class PackedLinears:
    """The packed weights of a model."""

    def __init__(self, products: Sequence[_Product], *, is_complete: bool) -> None:
        """Remember what was packed; see pack().

        Args:
            products: The products that the layers compute now.
            is_complete: Whether the model has no other products with weights.
        """
        self._products = list(products)
        self.is_complete = is_complete
        """Whether each row has the same bits in a product of any number of rows from two."""

    @classmethod
    def pack(cls, model: nn.Module) -> Self:
        """Let the linear layers of a model compute with packed weights.

        Nothing is packed if the model is not on a CPU, its linear layers have more than 2 GiB or another dtype than
        fp32 and bf16, this CPU has no instructions for packed bf16 weights (AVX2 alone is not enough), or its products
        are not what packing needs.

        Args:
            model: In evaluation mode; its weights may not change before restore().
        """
        layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
        size = sum(layer.weight.numel() * layer.weight.element_size() for layer in layers)
        if not layers or size > _MAX_BYTES or not all(map(_is_packable, layers)):
            return cls([], is_complete=False)
        products = [_Product(group) for group in _group_layers(model, layers)]
        if not all(product.is_verified() for product in products):
            return cls([], is_complete=False)
        for product in products:
            product.install()
        return cls(products, is_complete=_has_no_other_weights(model, layers))

    def prepare(self, most_rows: int) -> None:
        """Let oneDNN build the products of up to `most_rows` rows now: later ones take no time and memory for it.

        Products with large outputs, as those of a large vocabulary, are left to their first use.
        """
        for product in {product.shape: product for product in self._products}.values():
            product.prepare(most_rows)

    def restore(self) -> None:
        """Let the layers compute as before, and free the packed weights."""
        for product in self._products:
            product.restore()
        self._products = []


class _Product:
    """One packed product for layers that get the same input."""

    @torch.inference_mode()
    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        self._layers = layers
        self._sizes = [layer.out_features for layer in layers]
        weights = [layer.weight.detach() for layer in layers]
        weight = torch.cat(weights) if len(weights) > 1 else weights[0].contiguous()
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS_HINT)
        biases = [layer.bias.detach() for layer in layers if layer.bias is not None]
        self._bias = torch.cat(biases) if biases else None
        self._input: Tensor | None = None
        self._outputs: list[Tensor] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> _Product:
        """Return a product for a copied model; it shares the packed weight, which cannot be copied."""
        copied = memo[id(self)] = copy.copy(self)
        copied._layers, copied._input, copied._outputs = [], None, []
        return copied

    @torch.inference_mode()
    def is_verified(self) -> bool:
        """Return whether the product gives the usual values, and rows their bits whatever their number.

        Damaged weights give NaN in both.
        """
        layer = self._layers[0]
        generator = torch.Generator().manual_seed(0)
        values = torch.randn(_ROWS_HINT + 1, layer.in_features, generator=generator).to(layer.weight.dtype)
        usual = torch.cat([layer(values) for layer in self._layers], dim=-1)
        product = self._multiply(values)
        tolerance = _TOLERANCES[usual.dtype] * float(usual.nan_to_num(0, 0, 0).abs().max())
        return torch.allclose(product, usual, rtol=0, atol=tolerance, equal_nan=True) and torch.equal(
            self._multiply(values[:2]).nan_to_num(), product[:2].nan_to_num()
        )

    @property
    def shape(self) -> tuple[int, int, bool]:
        """Columns of the input and of the output, and whether there is a bias: one code serves equal products."""
        return self._layers[0].in_features, sum(self._sizes), self._bias is not None

    @torch.inference_mode()
    def prepare(self, most_rows: int) -> None:
        """Multiply each number of rows once."""
        columns, outputs, _has_bias = self.shape
        dtype = self._layers[0].weight.dtype
        for rows in list_row_counts(min(most_rows, _MAX_PREPARED_BYTES // (outputs * dtype.itemsize))):
            self._multiply(torch.zeros(rows, columns, dtype=dtype))

    def install(self) -> None:
        """Let the layers use the product."""
        for index, layer in enumerate(self._layers):
            layer.forward = partial(self._compute_part, index, layer)  # type: ignore[method-assign]

    def restore(self) -> None:
        """Let the layers compute as before."""
        for layer in self._layers:
            layer.__dict__.pop("forward", None)

    def _multiply(self, values: Tensor) -> Tensor:
        rows = values.shape[:-1].numel()
        padding = round_row_count(rows) - rows if rows else 0
        if not padding:
            return self._multiply_rows(values)
        padded = nn.functional.pad(values.reshape(rows, -1), (0, 0, 0, padding))
        return self._multiply_rows(padded)[:rows].view(*values.shape[:-1], -1)

    def _multiply_rows(self, values: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise.default(values, self._weight, self._bias, "none", [], "")
        return product

    def _compute_part(self, index: int, layer: nn.Linear, values: Tensor) -> Tensor:
        """Return the output of a layer; the first one computes those of all layers with the same input."""
        if torch.is_grad_enabled():  # the packed product has no gradient
            return nn.functional.linear(values, layer.weight, layer.bias)
        if len(self._sizes) == 1:
            return self._multiply(values)
        if values is not self._input:
            self._input, self._outputs = values, list(self._multiply(values).split(self._sizes, dim=-1))
        part = self._outputs[index]
        if index == len(self._sizes) - 1:
            self._input, self._outputs = None, []
        return part


def _is_packable(layer: nn.Linear) -> bool:
    weight = layer.weight
    return (
        type(layer) is nn.Linear
        and "forward" not in layer.__dict__
        and weight.device.type == "cpu"
        and weight.dtype in _TOLERANCES
        and can_pack(weight.dtype)
    )


def can_pack(dtype: torch.dtype) -> bool:
    """Return whether oneDNN takes packed weights of fp32 or bf16 on this CPU; without support for bf16 it raises."""
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and (dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))
    )


def _group_layers(model: nn.Module, layers: Sequence[nn.Linear]) -> list[list[nn.Linear]]:
    """Return the layers, those with the same input together."""
    groups: list[list[nn.Linear]] = []
    for module in model.modules():
        for names in _SIBLINGS:
            siblings: list[Any] = [module._modules.get(name) for name in names]
            if all(type(layer) is nn.Linear for layer in siblings) and _are_alike(siblings):
                groups.append(siblings)
    grouped = {id(layer) for group in groups for layer in group}
    return [*groups, *([layer] for layer in layers if id(layer) not in grouped)]


def _are_alike(layers: Sequence[nn.Linear]) -> bool:
    return len({(layer.in_features, layer.weight.dtype, layer.bias is None) for layer in layers}) == 1


def _has_no_other_weights(model: nn.Module, layers: Sequence[nn.Linear]) -> bool:
    """Return whether all matrices of the model belong to its linear layers or embeddings."""
    embeddings: list[Any] = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    known = {id(module.weight) for module in [*layers, *embeddings]}
    return all(parameter.ndim < 2 or id(parameter) in known for parameter in model.parameters())
