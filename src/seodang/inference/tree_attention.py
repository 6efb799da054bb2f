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

from seodang.inference.prefix_tree import Tree
from seodang.models.architecture import can_pack

_MASKED = {"sdpa", "eager"}  # kinds of attention that take any mask


@dataclass(frozen=True, slots=True)
class Prefix:
    """What all prompts begin with, as the model remembers it."""

    length: int  # tokens
    cache: DynamicCache  # layers with a sliding window keep the last window - 1 tokens


def takes_trees(model: PreTrainedModel) -> bool:
    """Return whether the model takes positions and masks of our own, and remembers nothing but keys and values."""
    layers = DynamicCache(config=model.config).layers
    kinds = {(type(layer), getattr(layer, "sliding_window", None)) for layer in layers}
    plain = {kind for kind, _ in kinds} <= {DynamicLayer, DynamicSlidingWindowLayer}
    return (
        plain
        and len(kinds) == len({kind for kind, _ in kinds})
        and can_pack(model)
        and model.config._attn_implementation in _MASKED
    )


def read_prefix(model: PreTrainedModel, ids: Sequence[int]) -> Prefix:
    """Let the model read what all prompts begin with; it may be nothing."""
    cache = DynamicCache(config=model.config)
    if ids:
        model(
            input_ids=torch.tensor([ids], device=model.device), past_key_values=cache, use_cache=True, logits_to_keep=1
        )
    return Prefix(len(ids), cache)


def tree_logits(model: PreTrainedModel, tree: Tree, prefix: Prefix, wanted: Sequence[int]) -> Tensor:
    """Return the logits, (L, vocabulary), at L places of the tree."""
    logits: Tensor = model(
        input_ids=torch.tensor([tree.tokens], device=model.device),
        position_ids=torch.tensor([tree.depths], device=model.device) + prefix.length,
        attention_mask=_masks(model, tree, prefix),
        past_key_values=_lent(prefix.cache),
        use_cache=True,
        logits_to_keep=torch.tensor(wanted, device=model.device),
    ).logits
    return logits[0]


def _lent(cache: DynamicCache) -> DynamicCache:
    """Return a cache that a forward pass may add to: these layers replace their tensors, and those of the original stay."""
    lent = copy.copy(cache)
    lent.layers = [copy.copy(layer) for layer in cache.layers]
    return lent


def _masks(model: PreTrainedModel, tree: Tree, prefix: Prefix) -> Tensor | dict[str, Tensor]:
    """Return what is added to the attention scores, (1, 1, U, kept prefix + U), of each kind of layer where there are two."""
    windows = {getattr(layer, "sliding_window", None) for layer in prefix.cache.layers}
    masks = {
        "full_attention" if window is None else "sliding_attention": _mask(tree, prefix.length, window, model)
        for window in windows
    }
    return masks if len(masks) > 1 else next(iter(masks.values()))


def _mask(tree: Tree, before: int, window: int | None, model: PreTrainedModel) -> Tensor:
    kept = before if window is None else min(before, window - 1)
    prefix = torch.ones(len(tree.tokens), kept, dtype=torch.bool)
    if window is not None:  # a token stands at before + depth, one of the kept prefix at before - kept + column
        prefix = torch.tensor(tree.depths)[:, None] + kept - torch.arange(kept) < window
    seen = torch.cat([prefix, torch.from_numpy(tree.visible(window))], dim=1).to(model.device)
    return torch.zeros(seen.shape, dtype=model.dtype, device=model.device).masked_fill_(~seen, float("-inf"))[
        None, None
    ]
