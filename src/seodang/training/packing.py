"""Lay the records of an update out as forward passes: no padding, and nothing computed twice.

A packed pass is one row of tokens. Everything but attention works on each token by
itself, so records may stand one after the other, and the beginnings that they have in
common (a preamble, an instruction) need to stand there only once: with causal attention
a token's state depends on nothing but the tokens before it. `attention_rows` says for
each record where its tokens stand; the attention (seodang.training.kernels.packed_attention) gathers
them, and so keeps the records apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from seodang.training.dataset import TokenizedExample

# Attention pads the records of a group to its longest: a record joins while it is at most this much longer than the shortest.
_GROUP_STRETCH, _GROUP_SLACK = 1.25, 8


@dataclass(frozen=True, slots=True)
class PackingConfig:
    """How records become passes."""

    tokens_per_micro_batch: int  # that one pass may have, before beginnings are shared
    packed: bool
    share_prefixes: bool
    pad_token_id: int  # id that fills up padded rows
    pad_to_multiple_of: (
        int  # to which the tokens of a packed pass are filled up, and its answers' rows too; 1: not at all
    )


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """The input of one forward pass: U tokens, of which L predict a learned one."""

    input_ids: Tensor  # (1, U) packed, (records, longest) padded
    position_ids: Tensor | None  # (1, U), each record counting from 0; None when padded
    attention_rows: tuple[
        Tensor, ...
    ]  # of each group of records of like length (records, longest): a token's place among U; () when padded
    result_rows: (
        Tensor | None
    )  # (U,): the place of each token among the groups' rows, flattened one after the other; None when padded
    label_positions: Tensor  # (L,): places, among the flattened input_ids, of the tokens whose next one is learned
    targets: Tensor  # (L,): those next ones
    active_rows: Tensor  # (R,), ascending: the predictors, each once, and in a packed pass others up to a round number
    record_lengths: Tensor  # tokens of the record of each token: (1, U) packed, (records, 1) padded
    record_tokens: int  # tokens of its records, shared or not

    def to(self, device: torch.device | str) -> MicroBatch:
        """Return the pass on another device."""
        tensors = {name: _move(getattr(self, name), device) for name in self.__slots__ if name != "record_tokens"}
        return MicroBatch(**tensors, record_tokens=self.record_tokens)

    def build_inputs(self, *, include_targets: bool = True) -> dict[str, Any]:
        """Return the arguments of a model's forward pass (see seodang.training.kernels.chunked_loss): for its loss, or for logits at the predictors."""
        inputs: dict[str, Any] = {
            "input_ids": self.input_ids,
            "label_positions": self.label_positions,
            "active_rows": self.active_rows,
        }
        if include_targets:
            inputs["targets"] = self.targets
        if self.result_rows is not None:
            inputs |= {
                "position_ids": self.position_ids,
                "attention_rows": self.attention_rows,
                "result_rows": self.result_rows,
            }
        return inputs

    def drop_targets(self) -> MicroBatch:
        """Return the pass with nothing learned from it: a process that has run out of records still takes part in the others' passes."""
        return replace(self, label_positions=self.label_positions[:0], targets=self.targets[:0])


def _move(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, tuple):
        return tuple(_move(part, device) for part in value)
    return None if value is None else value.to(device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class OptimizerStep:
    """What one process computes for one update of the weights."""

    micro_batches: list[MicroBatch]
    records: int  # of the whole update, over all processes, as the other two
    tokens: int  # that these have
    label_tokens: int  # of them


class StepSampler(Sampler[list[int]]):
    """The records of each update of an epoch, shuffled by seed and epoch alone: a resumed run sees what it would have seen."""

    def __init__(self, records: int, batch_size: int, seed: int) -> None:
        self._records, self._batch_size, self._seed, self._epoch = records, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of updates in an epoch; the last one may have fewer records."""
        return -(-self._records // self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the record numbers of one update after the other."""
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._records)
        for start in range(0, self._records, self._batch_size):
            yield order[start : start + self._batch_size].tolist()


class StepLoader(DataLoader[TokenizedExample]):
    """Hands out an Update at a time; the Trainer tells it the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0."""
        sampler: StepSampler = self.batch_sampler  # type: ignore[assignment]
        sampler.set_epoch(epoch)


def collate_step(
    examples: Sequence[TokenizedExample], packing: PackingConfig, rank: int, world_size: int
) -> OptimizerStep:
    """Return this process's part of an update.

    Every process works out every part, so that all of them have the same number of passes:
    sharded weights are gathered in each pass by all processes together.
    """
    parts = [plan_micro_batches(part, packing) for part in _distribute(examples, world_size)]
    most = max(len(part) for part in parts)
    mine = parts[rank]
    empty = [TokenizedExample(examples[0].ids[:2], np.zeros(2, dtype=np.bool_))]  # read, and nothing learned from it
    micro_batches = [build_micro_batch(part, packing) for part in [*mine, *[empty] * (most - len(mine))]]
    return OptimizerStep(
        micro_batches=micro_batches,
        records=len(examples),
        tokens=sum(len(lesson.ids) for lesson in examples),
        label_tokens=sum(int(lesson.loss_mask.sum()) for lesson in examples),
    )


def plan_micro_batches(examples: Sequence[TokenizedExample], packing: PackingConfig) -> list[list[TokenizedExample]]:
    """Return the records of each pass: like lengths together, each pass within the budget of tokens."""
    micro_batches: list[list[TokenizedExample]] = []
    tokens = 0
    for example in sorted(examples, key=lambda lesson: len(lesson.ids)):
        length = len(example.ids) - 1  # the last token predicts nothing
        together = tokens + length if packing.packed or not micro_batches else length * (len(micro_batches[-1]) + 1)
        if micro_batches and together <= packing.tokens_per_micro_batch:
            micro_batches[-1].append(example)
            tokens = together
        else:
            micro_batches.append([example])
            tokens = length
    return micro_batches


def build_micro_batch(examples: Sequence[TokenizedExample], packing: PackingConfig) -> MicroBatch:
    """Return the tensors of one pass."""
    return (
        _build_packed(examples, packing.share_prefixes, packing.pad_to_multiple_of)
        if packing.packed
        else _build_padded(examples, packing.pad_token_id)
    )


def _distribute(examples: Sequence[TokenizedExample], world_size: int) -> list[list[TokenizedExample]]:
    """Deal records to processes, back and forth by length, so that each has about as many tokens."""
    if world_size == 1:
        return [list(examples)]
    per_rank: list[list[TokenizedExample]] = [[] for _ in range(world_size)]
    turns = [*range(world_size), *reversed(range(world_size))]
    for number, example in enumerate(sorted(examples, key=lambda lesson: -len(lesson.ids))):
        per_rank[turns[number % len(turns)]].append(example)
    return per_rank


def _build_packed(examples: Sequence[TokenizedExample], share_prefixes: bool, pad_to_multiple_of: int) -> MicroBatch:
    # Sorted by their tokens, records with a common beginning are neighbours, and no record has more in common with any other than with a neighbour.
    ordered = (
        sorted(examples, key=lambda lesson: lesson.ids.astype(">i4").tobytes()) if share_prefixes else list(examples)
    )
    ids: list[NDArray[np.int32]] = []
    positions: list[NDArray[np.int64]] = []
    record_rows: list[NDArray[np.int64]] = []
    prefix_lengths: list[int] = []
    previous: NDArray[np.int32] = np.empty(0, dtype=np.int32)
    used = 0
    for example in ordered:
        inputs = example.ids[:-1]
        common = _count_common_prefix(previous, inputs) if share_prefixes else 0
        fresh = len(inputs) - common
        shared = record_rows[-1][:common] if common else np.empty(0, dtype=np.int64)
        record_rows.append(np.concatenate([shared, np.arange(used, used + fresh)]))
        ids.append(inputs[common:])
        positions.append(np.arange(common, len(inputs)))
        prefix_lengths.append(common)
        used += fresh
        previous = inputs
    groups, result_rows = _group_rows(record_rows, prefix_lengths, used)
    label_indices = [np.flatnonzero(lesson.loss_mask[1:]) for lesson in ordered]
    lengths = [np.full(len(part), len(rows)) for part, rows in zip(ids, record_rows, strict=True)]
    filler = np.zeros(
        -used % pad_to_multiple_of, dtype=np.int64
    )  # tokens of no record: they see what the first one sees, and nothing sees them
    label_positions = np.concatenate([rows[places] for rows, places in zip(record_rows, label_indices, strict=True)])
    return MicroBatch(
        input_ids=torch.from_numpy(np.concatenate([*ids, filler]).astype(np.int64))[None],
        position_ids=torch.from_numpy(np.concatenate([*positions, filler]))[None],
        attention_rows=tuple(torch.from_numpy(group) for group in groups),
        result_rows=torch.from_numpy(np.concatenate([result_rows, filler])),
        label_positions=torch.from_numpy(label_positions),
        targets=torch.from_numpy(
            np.concatenate(
                [lesson.ids[1:][places] for lesson, places in zip(ordered, label_indices, strict=True)]
            ).astype(np.int64)
        ),
        active_rows=torch.from_numpy(_pad_active_rows(label_positions, used + len(filler), pad_to_multiple_of)),
        record_lengths=torch.from_numpy(np.concatenate([*lengths, filler + 1]))[None],
        record_tokens=sum(len(rows) for rows in record_rows),
    )


def _pad_active_rows(label_positions: NDArray[np.int64], tokens: int, pad_to_multiple_of: int) -> NDArray[np.int64]:
    """Return the predictors, each once, with the first other rows up to a multiple; `tokens` is one, so that there are enough."""
    mask = np.zeros(tokens, dtype=np.bool_)
    mask[label_positions] = True
    more = -int(mask.sum()) % pad_to_multiple_of
    mask[np.flatnonzero(~mask)[:more]] = True
    return np.flatnonzero(mask)


def _count_common_prefix(first: NDArray[np.int32], second: NDArray[np.int32]) -> int:
    width = min(len(first), len(second))
    different = np.flatnonzero(first[:width] != second[:width])
    return int(different[0]) if len(different) else width


def _group_rows(
    record_rows: Sequence[NDArray[np.int64]], prefix_lengths: Sequence[int], used: int
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Return the rows of each attention group, padded with row 0, and each token's own place in them."""
    order = sorted(range(len(record_rows)), key=lambda number: len(record_rows[number]))
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
    """Return padded rows. Padding stands on the right, where causal attention never looks, so that no mask is needed."""
    width = max(len(lesson.ids) for lesson in examples) - 1
    ids = np.full((len(examples), width), pad_token_id, dtype=np.int64)
    for line, example in enumerate(examples):
        ids[line, : len(example.ids) - 1] = example.ids[:-1]
    label_indices = [np.flatnonzero(lesson.loss_mask[1:]) for lesson in examples]
    label_positions = np.concatenate([line * width + places for line, places in enumerate(label_indices)])
    return MicroBatch(
        input_ids=torch.from_numpy(ids),
        position_ids=None,
        attention_rows=(),
        result_rows=None,
        label_positions=torch.from_numpy(label_positions),
        active_rows=torch.from_numpy(label_positions),  # each stands in one record only
        targets=torch.from_numpy(
            np.concatenate(
                [lesson.ids[1:][places] for lesson, places in zip(examples, label_indices, strict=True)]
            ).astype(np.int64)
        ),
        record_lengths=torch.tensor([[len(lesson.ids) - 1] for lesson in examples]),
        record_tokens=sum(len(lesson.ids) - 1 for lesson in examples),
    )


def iter_micro_batches(examples: Sequence[TokenizedExample], packing: PackingConfig) -> Iterator[MicroBatch]:
    """Yield all records in passes, like lengths together: for a validation."""
    for part in plan_micro_batches(list(examples), packing):
        yield build_micro_batch(part, packing)
