"""Sizes of the micro-batches of a run, from a sample of its records or from the worst case of the parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seodang.config import TrainParams
from seodang.training.example_tokenizer import TokenizedExample
from seodang.training.micro_batch import MicroBatch
from seodang.training.optimizer_steps import StepSampler, collate_step
from seodang.training.packing import PackingConfig


@dataclass(frozen=True, slots=True)
class MicroBatchShape:
    """The sizes of one micro-batch that decide its memory."""

    groups: tuple[tuple[int, int], ...]  # (records, longest) of each attention group; padded rows are one group
    tokens: int  # U; rows times length if rows are padded
    label_tokens: int  # L
    packed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatchStats:
    """The micro-batches of an epoch over the sampled records."""

    largest: MicroBatchShape
    records: int
    steps: int
    micro_batches: int
    record_tokens: int
    computed_tokens: int  # passed through the model
    label_tokens: int
    sizes: int  # distinct numbers of tokens per micro-batch
    is_sampled: bool  # from records; False: the worst case of one optimizer step


def count_micro_batches(
    examples: Sequence[TokenizedExample], train: TrainParams, packing: PackingConfig
) -> MicroBatchStats:
    """Return the micro-batches that the main process has in the first epoch over these records.

    Args:
        examples: At least one.
        train: Records per optimizer step, processes.
        packing: How records become micro-batches.
    """
    shapes: list[MicroBatchShape] = []
    record_tokens = 0
    sampler = StepSampler(len(examples), train.batch_size, train.seed)
    for indices in sampler:
        step = collate_step([examples[index] for index in indices], packing, 0, min(train.processes, len(indices)))
        shapes += [_get_shape(part) for part in step.micro_batches]
        record_tokens += sum(part.record_tokens for part in step.micro_batches)
    widest = max(shapes, key=lambda shape: shape.tokens)
    largest = MicroBatchShape(widest.groups, widest.tokens, max(shape.label_tokens for shape in shapes), widest.packed)
    return MicroBatchStats(
        largest=largest,
        records=len(examples),
        steps=len(sampler),
        micro_batches=len(shapes),
        record_tokens=record_tokens,
        computed_tokens=sum(shape.tokens for shape in shapes),
        label_tokens=sum(shape.label_tokens for shape in shapes),
        sizes=len({shape.tokens for shape in shapes}),
        is_sampled=True,
    )


def _get_shape(micro_batch: MicroBatch) -> MicroBatchShape:
    rows = tuple((group.shape[0], group.shape[1]) for group in micro_batch.attention_rows)
    packed = bool(rows)
    return MicroBatchShape(
        rows if packed else ((micro_batch.input_ids.shape[0], micro_batch.input_ids.shape[1]),),
        micro_batch.input_ids.numel(),
        len(micro_batch.label_positions),
        packed,
    )


def estimate_worst_case(train: TrainParams, packing: PackingConfig) -> MicroBatchStats:
    """Return one optimizer step in the worst case: records of maximum length, no common prefix, all tokens labels."""
    length = train.max_length - 1  # the last token predicts nothing
    records = max(1, math.ceil(train.batch_size / train.processes))
    records_per_micro_batch = max(1, min(records, packing.tokens_per_micro_batch // max(1, length)))
    tokens = records_per_micro_batch * length
    micro_batches = math.ceil(records / records_per_micro_batch)
    shape = MicroBatchShape(((records_per_micro_batch, length),), tokens, tokens, packing.packed)
    total = records * length
    return MicroBatchStats(
        largest=shape,
        records=records,
        steps=1,
        micro_batches=micro_batches,
        record_tokens=total,
        computed_tokens=total,
        label_tokens=total,
        sizes=1,
        is_sampled=False,
    )
