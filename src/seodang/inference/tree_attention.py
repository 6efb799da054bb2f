"""Forward passes over a tree of tokens behind a prefix that the model has read already.

The tree goes through in one row, with positions of its own and a mask by which each token sees the prefix and its ancestors. So
the prefix stands in memory once, however many prompts follow it, and any attention that takes a mask will do.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from seodang.inference.prefix_tree import PrefixTree
from seodang.models.architecture import can_pack

_MASKABLE_ATTENTION = {"sdpa", "eager"}  # kinds of attention that take any mask


@dataclass(frozen=True, slots=True)
class Prefix:
    """What all prompts begin with, as the model remembers it."""

    length: int  # tokens
    cache: DynamicCache  # layers with a sliding window keep the last window - 1 tokens


def can_use_tree(model: PreTrainedModel) -> bool:
    """Return whether the model takes positions and masks of our own, and remembers nothing but keys and values."""
    layers = DynamicCache(config=model.config).layers
    layer_kinds = {(type(layer), getattr(layer, "sliding_window", None)) for layer in layers}
    is_key_value_only = {kind for kind, _ in layer_kinds} <= {DynamicLayer, DynamicSlidingWindowLayer}
    return (
        is_key_value_only
        and len(layer_kinds) == len({kind for kind, _ in layer_kinds})
        and can_pack(model)
        and model.config._attn_implementation in _MASKABLE_ATTENTION
    )


def prefill_prefix(model: PreTrainedModel, ids: Sequence[int]) -> Prefix:
    """Let the model read what all prompts begin with; it may be nothing."""
    cache = DynamicCache(config=model.config)
    if ids:
        model(
            input_ids=torch.tensor([ids], device=model.device), past_key_values=cache, use_cache=True, logits_to_keep=1
        )
    return Prefix(len(ids), cache)


def compute_tree_logits(model: PreTrainedModel, tree: PrefixTree, prefix: Prefix, positions: Sequence[int]) -> Tensor:
    """Return the logits, (L, vocabulary), at L places of the tree."""
    logits: Tensor = model(
        input_ids=torch.tensor([tree.tokens], device=model.device),
        position_ids=torch.tensor([tree.depths], device=model.device) + prefix.length,
        attention_mask=_build_masks(model, tree, prefix),
        past_key_values=_copy_cache(prefix.cache),
        use_cache=True,
        logits_to_keep=torch.tensor(positions, device=model.device),
    ).logits
    return logits[0]


def _copy_cache(cache: DynamicCache) -> DynamicCache:
    """Return a cache that a forward pass may add to: these layers replace their tensors, and those of the original stay."""
    cache_copy = copy.copy(cache)
    cache_copy.layers = [copy.copy(layer) for layer in cache.layers]
    return cache_copy


def _build_masks(model: PreTrainedModel, tree: PrefixTree, prefix: Prefix) -> Tensor | dict[str, Tensor]:
    """Return what is added to the attention scores, (1, 1, U, kept prefix + U), of each kind of layer where there are two."""
    windows = {getattr(layer, "sliding_window", None) for layer in prefix.cache.layers}
    masks = {
        "full_attention" if window is None else "sliding_attention": _build_mask(tree, prefix.length, window, model)
        for window in windows
    }
    return masks if len(masks) > 1 else next(iter(masks.values()))


def _build_mask(tree: PrefixTree, prefix_length: int, window: int | None, model: PreTrainedModel) -> Tensor:
    cached_length = prefix_length if window is None else min(prefix_length, window - 1)
    prefix = torch.ones(len(tree.tokens), cached_length, dtype=torch.bool)
    if window is not None:  # a token stands at before + depth, one of the kept prefix at before - kept + column
        prefix = torch.tensor(tree.depths)[:, None] + cached_length - torch.arange(cached_length) < window
    visible = torch.cat([prefix, torch.from_numpy(tree.build_attention_mask(window))], dim=1).to(model.device)
    return torch.zeros(visible.shape, dtype=model.dtype, device=model.device).masked_fill_(~visible, float("-inf"))[
        None, None
    ]
