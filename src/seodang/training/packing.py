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

from seodang.training.dataset import Lesson

# Attention pads the records of a group to its longest: a record joins while it is at most this much longer than the shortest.
_GROUP_STRETCH, _GROUP_SLACK = 1.25, 8


@dataclass(frozen=True, slots=True)
class Layout:
    """How records become passes."""

    pass_tokens: int  # that one pass may have, before beginnings are shared
    packed: bool
    share_prefixes: bool
    pad: int  # id that fills up padded rows
    multiple: int  # to which the tokens of a packed pass are filled up, and its answers' rows too; 1: not at all


@dataclass(frozen=True, slots=True)
class Pass:
    """The input of one forward pass: U tokens, of which L predict a learned one."""

    input_ids: Tensor  # (1, U) packed, (records, longest) padded
    position_ids: Tensor | None  # (1, U), each record counting from 0; None when padded
    attention_rows: tuple[
        Tensor, ...
    ]  # of each group of records of like length (records, longest): a token's place among U; () when padded
    own_rows: (
        Tensor | None
    )  # (U,): the place of each token among the groups' rows, flattened one after the other; None when padded
    predictors: Tensor  # (L,): places, among the flattened input_ids, of the tokens whose next one is learned
    targets: Tensor  # (L,): those next ones
    answer_rows: Tensor  # (R,), ascending: the predictors, each once, and in a packed pass others up to a round number
    record_lengths: Tensor  # tokens of the record of each token: (1, U) packed, (records, 1) padded
    read: int  # tokens of its records, shared or not

    def to(self, device: torch.device | str) -> Pass:
        """Return the pass on another device."""
        moved = {name: _moved(getattr(self, name), device) for name in self.__slots__ if name != "read"}
        return Pass(**moved, read=self.read)

    def inputs(self, *, learn: bool = True) -> dict[str, Any]:
        """Return the arguments of a model's forward pass (see seodang.training.kernels.chunked_loss): for its loss, or for logits at the predictors."""
        inputs: dict[str, Any] = {
            "input_ids": self.input_ids,
            "predictors": self.predictors,
            "answer_rows": self.answer_rows,
        }
        if learn:
            inputs["targets"] = self.targets
        if self.own_rows is not None:
            inputs |= {
                "position_ids": self.position_ids,
                "attention_rows": self.attention_rows,
                "own_rows": self.own_rows,
            }
        return inputs

    def without_targets(self) -> Pass:
        """Return the pass with nothing learned from it: a process that has run out of records still takes part in the others' passes."""
        return replace(self, predictors=self.predictors[:0], targets=self.targets[:0])


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, tuple):
        return tuple(_moved(part, device) for part in value)
    return None if value is None else value.to(device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class Update:
    """What one process computes for one update of the weights."""

    passes: list[Pass]
    records: int  # of the whole update, over all processes, as the other two
    tokens: int  # that these have
    learned: int  # of them


class UpdateSampler(Sampler[list[int]]):
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


class UpdateLoader(DataLoader[Lesson]):
    """Hands out an Update at a time; the Trainer tells it the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0."""
        sampler: UpdateSampler = self.batch_sampler  # type: ignore[assignment]
        sampler.set_epoch(epoch)


def collate_update(lessons: Sequence[Lesson], layout: Layout, process: int, processes: int) -> Update:
    """Return this process's part of an update.

    Every process works out every part, so that all of them have the same number of passes:
    sharded weights are gathered in each pass by all processes together.
    """
    parts = [pass_plan(part, layout) for part in _dealt(lessons, processes)]
    most = max(len(part) for part in parts)
    mine = parts[process]
    empty = [Lesson(lessons[0].ids[:2], np.zeros(2, dtype=np.bool_))]  # read, and nothing learned from it
    passes = [build_pass(part, layout) for part in [*mine, *[empty] * (most - len(mine))]]
    return Update(
        passes=passes,
        records=len(lessons),
        tokens=sum(len(lesson.ids) for lesson in lessons),
        learned=sum(int(lesson.learned.sum()) for lesson in lessons),
    )


def pass_plan(lessons: Sequence[Lesson], layout: Layout) -> list[list[Lesson]]:
    """Return the records of each pass: like lengths together, each pass within the budget of tokens."""
    passes: list[list[Lesson]] = []
    tokens = 0
    for lesson in sorted(lessons, key=lambda lesson: len(lesson.ids)):
        length = len(lesson.ids) - 1  # the last token predicts nothing
        together = tokens + length if layout.packed or not passes else length * (len(passes[-1]) + 1)
        if passes and together <= layout.pass_tokens:
            passes[-1].append(lesson)
            tokens = together
        else:
            passes.append([lesson])
            tokens = length
    return passes


def build_pass(lessons: Sequence[Lesson], layout: Layout) -> Pass:
    """Return the tensors of one pass."""
    return _packed(lessons, layout.share_prefixes, layout.multiple) if layout.packed else _padded(lessons, layout.pad)


def _dealt(lessons: Sequence[Lesson], processes: int) -> list[list[Lesson]]:
    """Deal records to processes, back and forth by length, so that each has about as many tokens."""
    if processes == 1:
        return [list(lessons)]
    hands: list[list[Lesson]] = [[] for _ in range(processes)]
    turns = [*range(processes), *reversed(range(processes))]
    for number, lesson in enumerate(sorted(lessons, key=lambda lesson: -len(lesson.ids))):
        hands[turns[number % len(turns)]].append(lesson)
    return hands


def _packed(lessons: Sequence[Lesson], share: bool, multiple: int) -> Pass:
    # Sorted by their tokens, records with a common beginning are neighbours, and no record has more in common with any other than with a neighbour.
    ordered = sorted(lessons, key=lambda lesson: lesson.ids.astype(">i4").tobytes()) if share else list(lessons)
    ids: list[NDArray[np.int32]] = []
    positions: list[NDArray[np.int64]] = []
    rows_of: list[NDArray[np.int64]] = []
    fresh_from: list[int] = []
    before: NDArray[np.int32] = np.empty(0, dtype=np.int32)
    used = 0
    for lesson in ordered:
        inputs = lesson.ids[:-1]
        common = _common_beginning(before, inputs) if share else 0
        fresh = len(inputs) - common
        shared = rows_of[-1][:common] if common else np.empty(0, dtype=np.int64)
        rows_of.append(np.concatenate([shared, np.arange(used, used + fresh)]))
        ids.append(inputs[common:])
        positions.append(np.arange(common, len(inputs)))
        fresh_from.append(common)
        used += fresh
        before = inputs
    groups, own = _grouped(rows_of, fresh_from, used)
    learned = [np.flatnonzero(lesson.learned[1:]) for lesson in ordered]
    lengths = [np.full(len(part), len(rows)) for part, rows in zip(ids, rows_of, strict=True)]
    filler = np.zeros(
        -used % multiple, dtype=np.int64
    )  # tokens of no record: they see what the first one sees, and nothing sees them
    predictors = np.concatenate([rows[places] for rows, places in zip(rows_of, learned, strict=True)])
    return Pass(
        input_ids=torch.from_numpy(np.concatenate([*ids, filler]).astype(np.int64))[None],
        position_ids=torch.from_numpy(np.concatenate([*positions, filler]))[None],
        attention_rows=tuple(torch.from_numpy(group) for group in groups),
        own_rows=torch.from_numpy(np.concatenate([own, filler])),
        predictors=torch.from_numpy(predictors),
        targets=torch.from_numpy(
            np.concatenate([lesson.ids[1:][places] for lesson, places in zip(ordered, learned, strict=True)]).astype(
                np.int64
            )
        ),
        answer_rows=torch.from_numpy(_rounded_rows(predictors, used + len(filler), multiple)),
        record_lengths=torch.from_numpy(np.concatenate([*lengths, filler + 1]))[None],
        read=sum(len(rows) for rows in rows_of),
    )


def _rounded_rows(predictors: NDArray[np.int64], tokens: int, multiple: int) -> NDArray[np.int64]:
    """Return the predictors, each once, with the first other rows up to a multiple; `tokens` is one, so that there are enough."""
    wanted = np.zeros(tokens, dtype=np.bool_)
    wanted[predictors] = True
    more = -int(wanted.sum()) % multiple
    wanted[np.flatnonzero(~wanted)[:more]] = True
    return np.flatnonzero(wanted)


def _common_beginning(first: NDArray[np.int32], second: NDArray[np.int32]) -> int:
    width = min(len(first), len(second))
    different = np.flatnonzero(first[:width] != second[:width])
    return int(different[0]) if len(different) else width


def _grouped(
    rows_of: Sequence[NDArray[np.int64]], fresh_from: Sequence[int], used: int
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Return the rows of each attention group, padded with row 0, and each token's own place in them."""
    order = sorted(range(len(rows_of)), key=lambda number: len(rows_of[number]))
    groups: list[NDArray[np.int64]] = []
    own = np.empty(used, dtype=np.int64)
    start = offset = 0
    while start < len(order):
        limit = len(rows_of[order[start]]) * _GROUP_STRETCH + _GROUP_SLACK
        stop = start + 1
        while stop < len(order) and len(rows_of[order[stop]]) <= limit:
            stop += 1
        members = order[start:stop]
        width = len(rows_of[members[-1]])
        group = np.zeros((len(members), width), dtype=np.int64)
        for line, member in enumerate(members):
            rows = rows_of[member]
            group[line, : len(rows)] = rows
            first = fresh_from[member]
            own[rows[first:]] = offset + line * width + np.arange(first, len(rows))
        groups.append(group)
        offset += group.size
        start = stop
    return groups, own


def _padded(lessons: Sequence[Lesson], pad: int) -> Pass:
    """Return padded rows. Padding stands on the right, where causal attention never looks, so that no mask is needed."""
    width = max(len(lesson.ids) for lesson in lessons) - 1
    ids = np.full((len(lessons), width), pad, dtype=np.int64)
    for line, lesson in enumerate(lessons):
        ids[line, : len(lesson.ids) - 1] = lesson.ids[:-1]
    learned = [np.flatnonzero(lesson.learned[1:]) for lesson in lessons]
    predictors = np.concatenate([line * width + places for line, places in enumerate(learned)])
    return Pass(
        input_ids=torch.from_numpy(ids),
        position_ids=None,
        attention_rows=(),
        own_rows=None,
        predictors=torch.from_numpy(predictors),
        answer_rows=torch.from_numpy(predictors),  # each stands in one record only
        targets=torch.from_numpy(
            np.concatenate([lesson.ids[1:][places] for lesson, places in zip(lessons, learned, strict=True)]).astype(
                np.int64
            )
        ),
        record_lengths=torch.tensor([[len(lesson.ids) - 1] for lesson in lessons]),
        read=sum(len(lesson.ids) - 1 for lesson in lessons),
    )


def passes_of(lessons: Sequence[Lesson], layout: Layout) -> Iterator[Pass]:
    """Yield all records in passes, like lengths together: for a validation."""
    for part in pass_plan(list(lessons), layout):
        yield build_pass(part, layout)
