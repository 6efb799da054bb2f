"""Log-probabilities of groups of answers: the prompt of a group, and what its answers share, are computed once.

The answers to a prompt are a tree of tokens behind it (seodang.inference.prefix_tree). The values and gradients are
those of one row for each answer, up to the rounding of sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seodang.inference.logits import compute_logits
from seodang.inference.prefix_tree import PrefixTree, build_tree


@dataclass(frozen=True, slots=True)
class _Group:
    """A prompt with the tree of its answers."""

    prompt: tuple[int, ...]
    rows: list[int]
    """Indices of the answers."""
    tree: PrefixTree
    paths: list[list[int]]
    """For each answer the indices of its tokens in the tree, without the last one, which predicts nothing."""


def score_answers(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], *, temperature: float
) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each token of the answers, and the entropy there, both (answers, tokens).

    Both are 0 behind the end of an answer.

    Args:
        model: With an attention that takes any mask and no window shorter than a prompt with its answer.
        prompts: Token ids of the prompt of each answer.
        answers: Token ids, none empty.
        temperature: Divides the logits.
    """
    groups = _build_groups(prompts, answers)
    width = max(len(group.prompt) for group in groups)
    size = max(len(group.tree.tokens) for group in groups)
    inputs = _build_inputs(groups, width, size, model)
    logits = compute_logits(model, range(width - 1, width + size), **inputs, use_cache=False)
    log_probs = (logits.float() / temperature).log_softmax(-1)
    entropies = -(log_probs.detach().exp() * log_probs.detach()).sum(-1)
    places, tokens, mask = _locate_answers(groups, answers, model.device)
    values = log_probs[(*places, tokens)]
    return values.masked_fill(~mask, 0.0), entropies[places].masked_fill(~mask, 0.0)


def _build_groups(prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> list[_Group]:
    rows: dict[tuple[int, ...], list[int]] = {}
    for index, prompt in enumerate(prompts):
        rows.setdefault(tuple(prompt), []).append(index)
    return [
        _Group(prompt, indices, *build_tree([answers[index][:-1] for index in indices]))
        for prompt, indices in rows.items()
    ]


def _build_inputs(groups: Sequence[_Group], width: int, size: int, model: Any) -> dict[str, Tensor]:
    """Return the arguments of a forward pass; the prompts end at column `width`, where the trees begin."""
    ids = torch.zeros(len(groups), width + size, dtype=torch.long)
    positions = torch.zeros_like(ids)
    visible = torch.eye(width + size, dtype=torch.bool).repeat(len(groups), 1, 1)  # padding sees itself, nothing else
    for number, group in enumerate(groups):
        length, tree = len(group.prompt), group.tree
        begin, end = width - length, width + len(tree.tokens)
        ids[number, begin:end] = torch.tensor([*group.prompt, *tree.tokens])
        positions[number, begin:end] = torch.tensor([*range(length), *(length + depth for depth in tree.depths)])
        visible[number, begin:width, begin:width] = torch.ones(length, length, dtype=torch.bool).tril()
        visible[number, width:end, begin:width] = True
        visible[number, width:end, width:end] = torch.from_numpy(tree.build_attention_mask())
    mask = torch.zeros(visible.shape, dtype=model.dtype).masked_fill_(~visible, float("-inf"))[:, None]
    return {
        "input_ids": ids.to(model.device),
        "position_ids": positions.to(model.device),
        "attention_mask": mask.to(model.device),
    }


def _locate_answers(
    groups: Sequence[_Group], answers: Sequence[Sequence[int]], device: torch.device
) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
    """Return group and column of the logits of each token of the answers, the tokens, and which are no padding."""
    longest = max(map(len, answers))
    groups_of, columns, tokens = (torch.zeros(len(answers), longest, dtype=torch.long) for _ in range(3))
    mask = torch.zeros(len(answers), longest, dtype=torch.bool)
    for number, group in enumerate(groups):
        for row, path in zip(group.rows, group.paths, strict=True):
            length = len(answers[row])
            groups_of[row] = number
            columns[row, 1:length] = torch.tensor(path, dtype=torch.long) + 1  # the prompt predicts the first token
            tokens[row, :length] = torch.tensor(answers[row])
            mask[row, :length] = True
    return (groups_of.to(device), columns.to(device)), tokens.to(device), mask.to(device)
