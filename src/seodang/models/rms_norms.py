"""The classes of transformers for RMSNorm (Zhang and Sennrich 2019), which all compute the same."""

from __future__ import annotations

from typing import Any, Final

from torch import nn

_WEIGHT_OFFSETS: Final = {
    "LlamaRMSNorm": 0,
    "MistralRMSNorm": 0,
    "Qwen2RMSNorm": 0,
    "Qwen3RMSNorm": 0,
    "GemmaRMSNorm": 1,
    "Gemma2RMSNorm": 1,
    "Gemma3RMSNorm": 1,
}


def is_known_norm(layer: nn.Module) -> bool:
    """Return whether a layer is of one of these classes."""
    kind = type(layer)
    return kind.__name__ in _WEIGHT_OFFSETS and kind.__module__.startswith("transformers.models.")


def get_weight_offset(layer: nn.Module) -> int:
    """Return what a known layer adds to its weight before the multiplication; Gemma stores differences from 1."""
    return _WEIGHT_OFFSETS[type(layer).__name__]


def get_epsilon(layer: Any) -> float:
    """Return what a known layer adds to the mean square."""
    return float(layer.variance_epsilon if hasattr(layer, "variance_epsilon") else layer.eps)
