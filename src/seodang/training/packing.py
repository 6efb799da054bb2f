"""Build micro-batches: packed rows without padding and without computing common prefixes twice, or padded rows.

A packed micro-batch is one row of tokens. All layers but attention work on each token by itself, so records may follow
one another. A prefix that records have in common (a preamble, an instruction) occurs only once. With causal attention,
the state of a token depends only on the tokens before it. `attention_rows` holds the positions of each record's tokens;
the attention (seodang.training.kernels.packed_attention) gathers them and so keeps the records apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seodang.training.example_tokenizer import TokenizedExample
from seodang.training.micro_batch import MicroBatch

# Attention pads the records of a group to the longest one. A record joins a group if it is at most this much longer
# than the shortest record (factor and tokens).
_GROUP_STRETCH, _GROUP_SLACK = 1.25, 8


@dataclass(frozen=True, slots=True)
class PackingConfig:
    """How records become micro-batches."""

    tokens_per_micro_batch: int  # maximum, before common prefixes are shared
    packed: bool
    share_prefixes: bool
    pad_token_id: int  # fills padded rows
    # The numbers of tokens and of active rows of a packed micro-batch are rounded up to a multiple; 1: not at all.
    pad_to_multiple_of: int
    # Each record has a micro-batch of its own, for models whose result depends on the records beside it.
    single_records: bool = False


def plan_micro_batches(examples: Sequence[TokenizedExample], packing: PackingConfig) -> list[list[TokenizedExample]]:
    """Return the records of each micro-batch: similar lengths together, within the maximum number of tokens."""
    micro_batches: list[list[TokenizedExample]] = []
    tokens = 0
    for example in sorted(examples, key=lambda example: len(example.ids)):
        length = len(example.ids) - 1  # the last token predicts nothing
        together = tokens + length if packing.packed or not micro_batches else length * (len(micro_batches[-1]) + 1)
        if micro_batches and together <= packing.tokens_per_micro_batch and not packing.single_records:
            micro_batches[-1].append(example)
            tokens = together
        else:
            micro_batches.append([example])
            tokens = length
    return micro_batches


def iter_micro_batches(examples: Sequence[TokenizedExample], packing: PackingConfig) -> Iterator[MicroBatch]:
    """Yield all records in micro-batches, similar lengths together, for an evaluation."""
    for part in plan_micro_batches(list(examples), packing):
        yield build_micro_batch(part, packing)


def build_micro_batch(examples: Sequence[TokenizedExample], packing: PackingConfig) -> MicroBatch:
    """Return the tensors of one micro-batch."""
    return (
        _build_packed(examples, packing.share_prefixes, packing.pad_to_multiple_of)
        if packing.packed
        else _build_padded(examples, packing.pad_token_id)
    )


@dataclass(frozen=True, slots=True)
class _PackedRow:
    """Records laid out one after the other, common prefixes once."""

    ids: list[NDArray[np.int32]]  # new tokens of each record
    positions: list[NDArray[np.int64]]  # their positions in the record
    record_rows: list[NDArray[np.int64]]  # positions of all tokens of each record in the row
    prefix_lengths: list[int]  # tokens that each record shares with the one before it
    used: int  # tokens of the row


def _lay_out(examples: Sequence[TokenizedExample], share_prefixes: bool) -> _PackedRow:
    row = _PackedRow([], [], [], [], 0)
    previous: NDArray[np.int32] = np.empty(0, dtype=np.int32)
    used = 0
    for example in examples:
        inputs = example.ids[:-1]
        common = _count_common_prefix(previous, inputs) if share_prefixes else 0
        fresh = len(inputs) - common
        shared = row.record_rows[-1][:common] if common else np.empty(0, dtype=np.int64)
        row.record_rows.append(np.concatenate([shared, np.arange(used, used + fresh)]))
        row.ids.append(inputs[common:])
        row.positions.append(np.arange(common, len(inputs)))
        row.prefix_lengths.append(common)
        used += fresh
        previous = inputs
    return replace(row, used=used)


def _build_packed(examples: Sequence[TokenizedExample], share_prefixes: bool, pad_to_multiple_of: int) -> MicroBatch:
    # Sorted by their tokens, each record has its longest common prefix with one of its neighbours.
    ordered = (
        sorted(examples, key=lambda example: example.ids.astype(">i4").tobytes()) if share_prefixes else list(examples)
    )
    row = _lay_out(ordered, share_prefixes)
    groups, result_rows = _group_rows(row.record_rows, row.prefix_lengths, row.used)
    label_indices = [np.flatnonzero(example.loss_mask[1:]) for example in ordered]
    lengths = [np.full(len(part), len(rows)) for part, rows in zip(row.ids, row.record_rows, strict=True)]
    # Filler tokens belong to no record: they attend to the tokens of the first one, and no record attends to them.
    filler = np.zeros(-row.used % pad_to_multiple_of, dtype=np.int64)
    label_positions = np.concatenate(
        [rows[indices] for rows, indices in zip(row.record_rows, label_indices, strict=True)]
    )
    active_rows = _pad_active_rows(label_positions, row.used + len(filler), pad_to_multiple_of)
    return MicroBatch(
        input_ids=torch.from_numpy(np.concatenate([*row.ids, filler]).astype(np.int64))[None],
        position_ids=torch.from_numpy(np.concatenate([*row.positions, filler]))[None],
        attention_rows=tuple(torch.from_numpy(group) for group in groups),
        result_rows=torch.from_numpy(np.concatenate([result_rows, filler])),
        label_positions=torch.from_numpy(label_positions),
        targets=_collect_targets(ordered, label_indices),
        active_rows=torch.from_numpy(active_rows),
        record_lengths=torch.from_numpy(np.concatenate([*lengths, filler + 1]))[None],
        record_tokens=sum(len(rows) for rows in row.record_rows),
    )


def _collect_targets(examples: Sequence[TokenizedExample], label_indices: Sequence[NDArray[np.int64]]) -> Tensor:
    targets = [example.ids[1:][indices] for example, indices in zip(examples, label_indices, strict=True)]
    return torch.from_numpy(np.concatenate(targets).astype(np.int64))


def _pad_active_rows(label_positions: NDArray[np.int64], tokens: int, pad_to_multiple_of: int) -> NDArray[np.int64]:
    """Return the label positions without repeats, filled up to a multiple with the first other rows.

    There are enough other rows, as `tokens` is a multiple itself.
    """
    mask = np.zeros(tokens, dtype=np.bool_)
    mask[label_positions] = True
    missing = -int(mask.sum()) % pad_to_multiple_of
    mask[np.flatnonzero(~mask)[:missing]] = True
    return np.flatnonzero(mask)


def _count_common_prefix(first: NDArray[np.int32], second: NDArray[np.int32]) -> int:
    width = min(len(first), len(second))
    different = np.flatnonzero(first[:width] != second[:width])
    return int(different[0]) if len(different) else width


def _group_rows(
    record_rows: Sequence[NDArray[np.int64]], prefix_lengths: Sequence[int], used: int
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Return the rows of each attention group, padded with row 0, and the index of each token in the groups."""
    order = sorted(range(len(record_rows)), key=lambda index: len(record_rows[index]))
    groups: list[NDArray[np.int64]] = []
    result_rows = np.empty(used, dtype=np.int64)
    start = offset = 0
    while start < len(order):
        limit = len(record_rows[order[start]]) * _GROUP_STRETCH + _GROUP_SLACK
        stop = start + 1
        while stop < len(order) and len(record_rows[order[stop]]) <= limit:
            stop += 1
        members = order[start:stop]
        width = len(record_rows[members[-1]])
        group = np.zeros((len(members), width), dtype=np.int64)
        for line, member in enumerate(members):
            rows = record_rows[member]
            group[line, : len(rows)] = rows
            first = prefix_lengths[member]
            result_rows[rows[first:]] = offset + line * width + np.arange(first, len(rows))
        groups.append(group)
        offset += group.size
        start = stop
    return groups, result_rows


def _build_padded(examples: Sequence[TokenizedExample], pad_token_id: int) -> MicroBatch:
    """Return padded rows; padding is on the right, where causal attention never looks, so no mask is needed."""
    width = max(len(example.ids) for example in examples) - 1
    ids = np.full((len(examples), width), pad_token_id, dtype=np.int64)
    for line, example in enumerate(examples):
        ids[line, : len(example.ids) - 1] = example.ids[:-1]
    label_indices = [np.flatnonzero(example.loss_mask[1:]) for example in examples]
    label_positions = np.concatenate([line * width + indices for line, indices in enumerate(label_indices)])
    return MicroBatch(
        input_ids=torch.from_numpy(ids),
        position_ids=None,
        attention_rows=(),
        result_rows=None,
        label_positions=torch.from_numpy(label_positions),
        active_rows=torch.from_numpy(label_positions),  # without repeats: each belongs to one record
        targets=_collect_targets(examples, label_indices),
        record_lengths=torch.tensor([[len(example.ids) - 1] for example in examples]),
        record_tokens=sum(len(example.ids) - 1 for example in examples),
    )
