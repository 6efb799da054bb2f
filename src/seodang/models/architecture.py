"""Describe what a model's architecture allows."""

from __future__ import annotations

from transformers import PreTrainedModel

# Layers whose tokens see each other through attention only; a convolution or a recurrent state would mix neighbours.
_PACKABLE_LAYER_TYPES = {"full_attention", "sliding_attention"}


def can_pack(model: PreTrainedModel) -> bool:
    """Return whether the model's attention can be replaced and no other layer mixes tokens."""
    config = model.config.get_text_config()
    layer_types = getattr(config, "layer_types", None) or ["full_attention"]
    return (
        bool(getattr(model, "_supports_attention_backend", False))
        and set(layer_types) <= _PACKABLE_LAYER_TYPES
        and not getattr(config, "use_bidirectional_attention", False)
    )
