"""Describe what a model's architecture allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel

from seodang.errors import ModelError
from seodang.i18n import _

# Layers whose tokens see each other through attention only; a convolution or a recurrent state would mix neighbours.
_PACKABLE_LAYER_TYPES = {"full_attention", "sliding_attention"}


# Model types whose predictions depend on later tokens, though transformers offers them for causal language modelling,
# and those that are causal only with is_decoder. Training checks every other model with its weights
# (`training.causality`).
NEVER_CAUSAL = frozenset({"cpmant", "prophetnet", "xlm", "xlnet"})
CAUSAL_DECODERS = frozenset(
    "bert bert-generation big_bird camembert data2vec-text electra ernie megatron-bert rembert roberta"
    " roberta-prelayernorm roc_bert roformer xlm-roberta xlm-roberta-xl".split()
)


def check_causal_config(config: PreTrainedConfig, origin: str) -> None:
    """Raise an error if a model's settings alone show that it is not causal.

    Args:
        config: Configuration of the model.
        origin: Source of the checkpoint, for messages.

    Raises:
        ModelError: With what to change.
    """
    kind = config.get_text_config().model_type
    if kind in NEVER_CAUSAL:
        raise ModelError(
            _(
                "{origin} is of the architecture {architecture}, which is not causal: later tokens change what it predicts"
                " before them; choose another base",
                origin=origin,
                architecture=kind,
            )
        )
    if kind in CAUSAL_DECODERS and not getattr(config, "is_decoder", False):
        raise ModelError(
            _(
                "{origin} is of the architecture {architecture}, which is causal only with is_decoder: true in its"
                " config.json; set it there if the model was trained so, or choose another base",
                origin=origin,
                architecture=kind,
            )
        )


def can_pack(model: PreTrainedModel) -> bool:
    """Return whether the model's attention can be replaced and no other layer mixes tokens."""
    config = model.config.get_text_config()
    layer_types = getattr(config, "layer_types", None) or ["full_attention"]
    return (
        bool(getattr(model, "_supports_attention_backend", False))
        and set(layer_types) <= _PACKABLE_LAYER_TYPES
        and not getattr(config, "use_bidirectional_attention", False)
    )


def get_rope_boundary(config: PreTrainedConfig) -> int | None:
    """Return the length above which rotary positions (RoPE) have other frequencies; None if they never change.

    longrope (arXiv 2402.13753) and dynamic NTK choose the frequencies of a forward pass by its longest record. So a
    record would be computed otherwise beside a longer one.
    """
    text_config = config.get_text_config()
    boundaries = []
    for parameters in _iter_rope_parameters(getattr(text_config, "rope_parameters", None)):
        rope_type = str(parameters.get("rope_type", ""))
        if rope_type == "longrope" or "dynamic" in rope_type:
            length = parameters.get("original_max_position_embeddings") or text_config.max_position_embeddings
            boundaries.append(int(length))
    return min(boundaries, default=None)


def _iter_rope_parameters(parameters: Any) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each kind of layer; many models have the same ones for all layers."""
    if not isinstance(parameters, dict):
        return
    if "rope_type" in parameters:
        yield parameters
    for value in parameters.values():
        yield from _iter_rope_parameters(value)
