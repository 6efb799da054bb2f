"""Lay prompts and answers out as a tree of tokens: what several of them begin with stands there once.

With causal attention a token's state depends on nothing but the tokens before it. So an item's options can share its prompt,
and items the beginnings that they have in common, if each token sees its own ancestors only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PrefixTree:
    """U tokens, each after its parent; several may have none."""

    tokens: list[int]
    depths: list[int]  # how many ancestors a token has
    parents: list[int]  # -1 for none

    def build_attention_mask(self, window: int | None = None) -> NDArray[np.bool_]:
        """Return what each token sees, itself and its ancestors: (U, U), rows see columns.

        Args:
            window: How many tokens a token sees at the most, itself included; None for all.
        """
        size = len(self.tokens)
        mask = np.zeros((size, size), dtype=np.bool_)
        for position, parent in enumerate(self.parents):
            if parent >= 0:
                mask[position] = mask[parent]
            mask[position, position] = True
        if window is not None:
            depths = np.array(self.depths)
            mask &= depths[:, None] - depths < window
        return mask


def build_tree(rows: Sequence[Sequence[int]]) -> tuple[PrefixTree, list[list[int]]]:
    """Return the tree of all rows, and for each row where its tokens stand in it."""
    tree = PrefixTree([], [], [])
    children: dict[tuple[int, int], int] = {}
    paths = []
    for row in rows:
        parent, path = -1, []
        for depth, token in enumerate(row):
            node = children.setdefault((parent, token), len(tree.tokens))
            if node == len(tree.tokens):
                tree.tokens.append(token)
                tree.depths.append(depth)
                tree.parents.append(parent)
            path.append(node)
            parent = node
        paths.append(path)
    return tree, paths


def compute_prefix_length(rows: Sequence[list[int]]) -> int:
    """Return how many leading tokens all rows share."""
    first, last = min(rows), max(rows)  # all others lie between these two in the order of a dictionary
    return compute_shared_length(first, last)


def compute_shared_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many leading tokens two rows share."""
    shortest = min(len(first), len(second))
    return next((place for place in range(shortest) if first[place] != second[place]), shortest)
