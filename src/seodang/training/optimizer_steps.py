"""Optimizer steps: which records each one has, how processes share them, and a loader for the Trainer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import DataLoader, Sampler

from seodang.training.example_tokenizer import TokenizedExample
from seodang.training.micro_batch import MicroBatch
from seodang.training.packing import PackingConfig, build_micro_batch, plan_micro_batches


@dataclass(frozen=True, slots=True)
class OptimizerStep:
    """The work of one process for one optimizer step."""

    micro_batches: list[MicroBatch]
    records: int  # of the optimizer step, over all processes, as are the two numbers below
    tokens: int
    label_tokens: int


class StepSampler(Sampler[list[int]]):
    """The records of each optimizer step of an epoch, shuffled by seed and epoch, so that a resumed run continues."""

    def __init__(self, records: int, batch_size: int, seed: int) -> None:
        self._records, self._batch_size, self._seed, self._epoch = records, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of optimizer steps in an epoch; the last one may have fewer records."""
        return -(-self._records // self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the record indices of each optimizer step."""
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._records)
        for start in range(0, self._records, self._batch_size):
            yield order[start : start + self._batch_size].tolist()


class StepLoader(DataLoader[TokenizedExample]):
    """Yields one OptimizerStep at a time; the Trainer sets the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0."""
        sampler: StepSampler = self.batch_sampler  # type: ignore[assignment]
        sampler.set_epoch(epoch)


def collate_step(
    examples: Sequence[TokenizedExample], packing: PackingConfig, rank: int, world_size: int
) -> OptimizerStep:
    """Return this process's part of an optimizer step.

    Every process plans every part, so that all have the same number of micro-batches: all
    processes together gather sharded weights in each micro-batch.
    """
    parts = [plan_micro_batches(part, packing) for part in _distribute(examples, world_size)]
    most = max(len(part) for part in parts)
    own_part = parts[rank]
    empty = [TokenizedExample(examples[0].ids[:2], np.zeros(2, dtype=np.bool_))]  # has no label token
    micro_batches = [build_micro_batch(part, packing) for part in [*own_part, *[empty] * (most - len(own_part))]]
    return OptimizerStep(
        micro_batches=micro_batches,
        records=len(examples),
        tokens=sum(len(example.ids) for example in examples),
        label_tokens=sum(int(example.loss_mask.sum()) for example in examples),
    )


def _distribute(examples: Sequence[TokenizedExample], world_size: int) -> list[list[TokenizedExample]]:
    """Deal the records to the processes, forth and back by length, so that all have about as many tokens."""
    if world_size == 1:
        return [list(examples)]
    per_rank: list[list[TokenizedExample]] = [[] for _rank in range(world_size)]
    turns = [*range(world_size), *reversed(range(world_size))]
    for index, example in enumerate(sorted(examples, key=lambda example: -len(example.ids))):
        per_rank[turns[index % len(turns)]].append(example)
    return per_rank
