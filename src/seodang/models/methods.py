"""Training methods: one object for each value of train.method. Other modules ask the object, never the name."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from seodang.errors import ModelError
from seodang.i18n import _

if TYPE_CHECKING:
    from seodang.config import TrainParams

__all__ = ["METHODS", "NF4_BYTES", "Method", "get_method"]

# NF4: half a byte per weight, an 8-bit scale for each 64 weights, an fp32 scale for each 256 of those scales.
NF4_BYTES: Final = 0.5 + 1 / 64 + 4 / (64 * 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """Everything that differs between training methods."""

    name: str
    trains_all_weights: bool = False
    """The base itself is trained, in fp32; there is no adapter."""
    loads_in_4bit: bool = False
    """The linear layers of the base are quantized to NF4 while they are read."""
    lora_options: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    """Options of peft's LoraConfig besides rank, alpha, dropout and target modules."""
    package: str | None = None
    """Package that only this method needs; the extra of seodang with the name of the method installs it."""
    can_shard: bool = True
    """Whether train.sharding fsdp is possible."""
    has_lora_kernel: bool = False
    """Whether training.kernels.lora computes the adapter; it also casts the fp32 adapter to the base's precision."""

    @property
    def has_adapter(self) -> bool:
        """Return whether training writes an adapter instead of a full model."""
        return not self.trains_all_weights

    @property
    def linear_weight_bytes(self) -> float | None:
        """Return the bytes per weight of the base's linear layers; None: as many as the base's precision has."""
        return NF4_BYTES if self.loads_in_4bit else None

    def check_package(self) -> None:
        """Raise an error if the package that the method needs is not installed.

        Raises:
            ModelError: With the command that installs it.
        """
        if self.package is not None and importlib.util.find_spec(self.package) is None:
            raise ModelError(
                _(
                    "train.method {method} needs {package}, which is not installed; run: make {method}"
                    " (outside a clone: pip install 'seodang[{method}]')",
                    method=self.name,
                    package=self.package,
                )
            )


METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method(name="lora", has_lora_kernel=True),
            Method(name="rslora", lora_options=MappingProxyType({"use_rslora": True}), has_lora_kernel=True),
            Method(name="dora", lora_options=MappingProxyType({"use_dora": True})),
            Method(name="qlora", loads_in_4bit=True, package="bitsandbytes", can_shard=False),
            Method(name="full", trains_all_weights=True),
        )
    }
)
"""By the value of train.method."""


def get_method(train: TrainParams) -> Method:
    """Return the method of the parameters."""
    return METHODS[train.method]
