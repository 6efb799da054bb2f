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
class Tree:
    """U tokens, each after its parent; several may have none."""

    tokens: list[int]
    depths: list[int]  # how many ancestors a token has
    parents: list[int]  # -1 for none

    def visible(self, window: int | None = None) -> NDArray[np.bool_]:
        """Return what each token sees, itself and its ancestors: (U, U), rows see columns.

        Args:
            window: How many tokens a token sees at the most, itself included; None for all.
        """
        size = len(self.tokens)
        seen = np.zeros((size, size), dtype=np.bool_)
        for place, parent in enumerate(self.parents):
            if parent >= 0:
                seen[place] = seen[parent]
            seen[place, place] = True
        if window is not None:
            depths = np.array(self.depths)
            seen &= depths[:, None] - depths < window
        return seen


def grow(rows: Sequence[Sequence[int]]) -> tuple[Tree, list[list[int]]]:
    """Return the tree of all rows, and for each row where its tokens stand in it."""
    tree = Tree([], [], [])
    children: dict[tuple[int, int], int] = {}
    paths = []
    for row in rows:
        parent, path = -1, []
        for depth, token in enumerate(row):
            place = children.setdefault((parent, token), len(tree.tokens))
            if place == len(tree.tokens):
                tree.tokens.append(token)
                tree.depths.append(depth)
                tree.parents.append(parent)
            path.append(place)
            parent = place
        paths.append(path)
    return tree, paths


def common_prefix(rows: Sequence[list[int]]) -> int:
    """Return how many leading tokens all rows share."""
    first, last = min(rows), max(rows)  # all others lie between these two in the order of a dictionary
    return shared_length(first, last)


def shared_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many leading tokens two rows share."""
    shortest = min(len(one), len(other))
    return next((place for place in range(shortest) if one[place] != other[place]), shortest)
