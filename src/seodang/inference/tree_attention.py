"""Run forward passes over a tree of tokens that follows a cached prefix.

The tree is one row with its own position ids and a mask: each token sees the prefix and its ancestors. So the prefix
is in memory once for any number of prompts, and every attention implementation with a mask is supported.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from seodang.inference.logits import compute_logits
from seodang.inference.prefix_tree import PrefixTree
from seodang.models.architecture import can_pack, get_rope_boundary

_MASKABLE_ATTENTION = {"sdpa", "eager"}  # attention implementations that accept any mask
# Maximum number of tokens in a tree. Attention computes all pairs and masks most; on a CPU larger trees are not faster.
_MAX_TREE_TOKENS = {"cpu": 256}
_DEFAULT_MAX_TREE_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Prefix:
    """Key-value cache of the tokens that all prompts begin with."""

    length: int
    """Tokens."""
    cache: DynamicCache
    """Layers with a sliding window keep the last window - 1 tokens."""


def can_use_tree(model: PreTrainedModel) -> bool:
    """Return whether the model accepts custom position ids and masks, and caches only keys and values."""
    layers = DynamicCache(config=model.config).layers
    layer_kinds = {(type(layer), getattr(layer, "sliding_window", None)) for layer in layers}
    is_key_value_only = {kind for kind, _ in layer_kinds} <= {DynamicLayer, DynamicSlidingWindowLayer}
    return (
        is_key_value_only
        and len(layer_kinds) == len({kind for kind, _ in layer_kinds})
        and can_pack(model)
        and model.config._attn_implementation in _MASKABLE_ATTENTION
    )


def can_continue_cache(model: PreTrainedModel, length: int) -> bool:
    """Return whether prompts and answers of up to `length` tokens may continue a cache of shared tokens.

    A cache with a sliding window forgets the beginning of a longer row, which other rows may need. Rotary positions
    that depend on the length of a row must be those of the prefix.
    """
    boundary = get_rope_boundary(model.config)
    if not can_use_tree(model) or (boundary is not None and length > boundary):
        return False
    # Of the cache and of the settings: some models have a window of which the cache knows nothing.
    owners = [model.config.get_text_config(), *DynamicCache(config=model.config).layers]
    windows = [window for owner in owners if (window := getattr(owner, "sliding_window", None)) is not None]
    return all(length < window for window in windows)


def get_max_tree_tokens(model: PreTrainedModel) -> int:
    """Return the maximum number of tokens in a tree on the model's device."""
    return _MAX_TREE_TOKENS.get(model.device.type, _DEFAULT_MAX_TREE_TOKENS)


def prefill_prefix(model: PreTrainedModel, ids: Sequence[int]) -> Prefix:
    """Compute the cache of a prefix, which may be empty."""
    cache = DynamicCache(config=model.config)
    if ids:
        model(
            input_ids=torch.tensor([ids], device=model.device), past_key_values=cache, use_cache=True, logits_to_keep=1
        )
    return Prefix(len(ids), cache)


def compute_tree_logits(model: PreTrainedModel, tree: PrefixTree, prefix: Prefix, positions: Sequence[int]) -> Tensor:
    """Return the logits, (L, vocabulary), at L positions of the tree."""
    return compute_logits(model, positions, **_build_inputs(model, tree, prefix))[0]


def compute_tree_cache(model: PreTrainedModel, tree: PrefixTree, prefix: Prefix) -> list[tuple[Tensor, Tensor]]:
    """Return the keys and values of each layer, (1, heads, prefix + U, head size); no window may be shorter."""
    inputs = _build_inputs(model, tree, prefix)
    if tree.tokens:
        model(**inputs, logits_to_keep=1)
    return [(layer.keys, layer.values) for layer in inputs["past_key_values"].layers]


def _build_inputs(model: PreTrainedModel, tree: PrefixTree, prefix: Prefix) -> dict[str, Any]:
    """Return the arguments of a forward pass over the tree."""
    return {
        "input_ids": torch.tensor([tree.tokens], device=model.device),
        "position_ids": torch.tensor([tree.depths], device=model.device) + prefix.length,
        "attention_mask": _build_masks(model, tree, prefix),
        "past_key_values": _copy_cache(prefix.cache),
        "use_cache": True,
    }


def _copy_cache(cache: DynamicCache) -> DynamicCache:
    """Return a copy that a forward pass may extend: layers replace their tensors, so the original stays unchanged."""
    cache_copy = copy.copy(cache)
    cache_copy.layers = [copy.copy(layer) for layer in cache.layers]
    return cache_copy


def _build_masks(model: PreTrainedModel, tree: PrefixTree, prefix: Prefix) -> Tensor | dict[str, Tensor]:
    """Return the additive attention mask, (1, 1, U, cached prefix + U).

    A model with full and sliding-window layers gets one mask for each kind.
    """
    windows = {getattr(layer, "sliding_window", None) for layer in prefix.cache.layers}
    masks = {
        "full_attention" if window is None else "sliding_attention": _build_mask(tree, prefix.length, window, model)
        for window in windows
    }
    return masks if len(masks) > 1 else next(iter(masks.values()))


def _build_mask(tree: PrefixTree, prefix_length: int, window: int | None, model: PreTrainedModel) -> Tensor:
    cached_length = prefix_length if window is None else min(prefix_length, window - 1)
    prefix = torch.ones(len(tree.tokens), cached_length, dtype=torch.bool)
    if window is not None:
        # A token has the position prefix_length + depth, a cached one prefix_length - cached_length + column.
        prefix = torch.tensor(tree.depths)[:, None] + cached_length - torch.arange(cached_length) < window
    visible = torch.cat([prefix, torch.from_numpy(tree.build_attention_mask(window))], dim=1).to(model.device)
    return torch.zeros(visible.shape, dtype=model.dtype, device=model.device).masked_fill_(~visible, float("-inf"))[
        None, None
    ]
