"""Read prompts into one key-value cache, from which they are answered together.

Few-shot examples that prompts share are read once, and so is each other beginning that two prompts share. The prompts
go through the model as trees of tokens (seodang.inference.prefix_tree).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel, StaticCache

from seodang.inference.generation_batches import iter_prefix_groups, iter_trees
from seodang.inference.prefix_tree import build_tree
from seodang.inference.tree_attention import Prefix, compute_tree_cache, prefill_prefix

_States = list[tuple[Tensor, Tensor]]
"""Keys and values of each layer, (rows, heads, tokens, head size)."""


def read_prompts(
    model: PreTrainedModel, prompts: Sequence[list[int]], *, new_tokens: int, tree_tokens: int
) -> Cache | None:
    """Return the cache of all tokens of the prompts but the last, padded on the left; None if there are none.

    The last token of a prompt predicts the first token of its answer, so that it is read with it.

    Args:
        model: Model for which can_continue_cache() is true.
        prompts: Token ids of each row, none empty.
        new_tokens: Number of tokens that the cache must be able to take besides.
        tree_tokens: Tokens of a forward pass, without the shared prefix.
    """
    rows = [prompt[:-1] for prompt in prompts]
    width = max(map(len, rows))
    if not width:
        return None
    parts = list(_iter_states(model, rows, width, tree_tokens))
    order = [index for indices, _states in parts for index in indices]
    restored = torch.tensor(sorted(range(len(order)), key=order.__getitem__), device=model.device)
    cache = StaticCache(config=model.config, max_cache_len=width + 1 + new_tokens)
    for number, layer in enumerate(zip(*(states for _indices, states in parts), strict=True)):
        keys, values = (torch.cat(tensors)[restored] for tensors in zip(*layer, strict=True))
        cache.update(keys, values, number)
    return cache


def _iter_states(
    model: PreTrainedModel, rows: Sequence[list[int]], width: int, tree_tokens: int
) -> Iterator[tuple[list[int], _States]]:
    """Yield the indices of the rows of each forward pass with their states, padded on the left to `width`."""
    for group, shared in iter_prefix_groups(rows):
        prefix = prefill_prefix(model, rows[group[0]][:shared])
        for batch in iter_trees(rows, group, shared, tree_tokens):
            yield batch, _read_tree(model, [rows[index] for index in batch], prefix, width)


def _read_tree(model: PreTrainedModel, rows: Sequence[list[int]], prefix: Prefix, width: int) -> _States:
    tree, paths = build_tree([row[prefix.length :] for row in rows])
    layers = compute_tree_cache(model, tree, prefix)
    columns = [
        [0] * (width - len(row)) + [*range(prefix.length), *(prefix.length + node for node in path)]
        for row, path in zip(rows, paths, strict=True)
    ]
    # The column 0 of the padding is any column: the attention mask hides it.
    selected = torch.tensor(columns, device=model.device)
    return [(_select_columns(keys, selected), _select_columns(values, selected)) for keys, values in layers]


def _select_columns(states: Tensor, columns: Tensor) -> Tensor:
    """Return the columns of each row, (rows, heads, width, head size), of states with one row."""
    return states[0][:, columns].transpose(0, 1)
