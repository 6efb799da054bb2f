"""Choose which prompts are read together and which are answered together. Pure.

Decoding reads one token of each row, so that large batches decode faster: only the key-value cache limits them.
Reading prompts is fastest where they share beginnings, mostly few-shot examples, which are then read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seodang.inference.prefix_tree import compute_prefix_length, compute_shared_length

# Tokens in the key-value cache of a decoding batch, for each token that a forward pass may read.
_CACHED_TOKENS_PER_READ_TOKEN = 8
_MAX_ROWS = 256  # of a decoding batch; more rows do not decode more tokens per second
_MAX_LOGITS = 48_000_000  # of a decoding step: 192 MB in fp32
_MIN_PREFIX = 64  # tokens that are worth a forward pass of their own; a tree holds shorter common beginnings


def iter_decoding_batches(
    prompts: Sequence[list[int]], *, read_tokens: int, new_tokens: int, vocab_size: int
) -> Iterator[list[int]]:
    """Yield the indices of the prompts that are answered together; they have similar lengths.

    Args:
        prompts: Token ids of each prompt.
        read_tokens: Tokens that a forward pass may read; a multiple of them may be in the cache.
        new_tokens: Longest answer.
        vocab_size: Logits of each row.
    """
    max_rows = min(_MAX_ROWS, max(1, _MAX_LOGITS // vocab_size))
    batch: list[int] = []
    for index in sorted(range(len(prompts)), key=lambda index: len(prompts[index])):
        cached_tokens = (len(batch) + 1) * (len(prompts[index]) + new_tokens)
        if batch and (len(batch) == max_rows or cached_tokens > read_tokens * _CACHED_TOKENS_PER_READ_TOKEN):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def iter_prefix_groups(rows: Sequence[list[int]]) -> Iterator[tuple[list[int], int]]:
    """Yield the indices of rows that share a long prefix, and its length; rows that share none are one group."""
    order = sorted(range(len(rows)), key=rows.__getitem__)
    runs: list[list[int]] = []
    for index in order:
        if runs and compute_shared_length(rows[runs[-1][-1]], rows[index]) >= _MIN_PREFIX:
            runs[-1].append(index)
        else:
            runs.append([index])
    if single := [run[0] for run in runs if len(run) == 1]:
        yield single, 0
    for run in runs:
        if len(run) > 1:
            yield run, compute_prefix_length([rows[index] for index in run])


def iter_trees(rows: Sequence[list[int]], group: Sequence[int], shared: int, limit: int) -> Iterator[list[int]]:
    """Yield the indices of the rows of each tree.

    Args:
        rows: Token ids.
        group: Indices, in the order of the rows' tokens, so that neighbours share beginnings.
        shared: Number of tokens that the rows of the group begin with; they are in no tree.
        limit: Maximum number of tokens in a tree; a longer row has its own tree.
    """
    tree: list[int] = []
    tokens = 0
    for index in group:
        known = compute_shared_length(rows[tree[-1]], rows[index]) if tree else shared
        if tree and tokens + len(rows[index]) - known > limit:
            yield tree
            tree, tokens, known = [], 0, shared
        tree.append(index)
        tokens += len(rows[index]) - known
    yield tree
