"""Arrange prompts and answers as a tree of tokens, which stores each common prefix once.

With causal attention the state of a token depends only on the tokens before it. So the options of an item can share its
prompt, and items can share a common prefix, if each token sees only its ancestors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PrefixTree:
    """U tokens, each after its parent. Several tokens may have no parent."""

    tokens: list[int]
    depths: list[int]
    """Number of ancestors of each token."""
    parents: list[int]
    """Index of each token's parent; -1 for none."""

    def build_attention_mask(self, window: int | None = None) -> NDArray[np.bool_]:
        """Return the attention mask (U, U): the token of a row sees the tokens of its True columns.

        A token sees itself and its ancestors.

        Args:
            window: Maximum number of tokens that a token sees, including itself; None for no limit.
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
    """Return the tree of all rows, and for each row the indices of its tokens in the tree."""
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
    """Return the number of leading tokens that all rows share."""
    # Every other row lies between these two in lexicographic order, so it shares their prefix.
    first, last = min(rows), max(rows)
    return compute_shared_length(first, last)


def compute_shared_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the number of leading tokens that two rows share."""
    shortest = min(len(first), len(second))
    return next((index for index in range(shortest) if first[index] != second[index]), shortest)
