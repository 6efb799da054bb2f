"""How large the passes of a run are: counted on a sample of its records, or at the worst that the parameters allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seodang.config import TrainParams
from seodang.training.dataset import Lesson
from seodang.training.packing import Layout, Pass, UpdateSampler, collate_update


@dataclass(frozen=True, slots=True)
class PassShape:
    """The sizes of one forward pass, which decide what it keeps in memory."""

    groups: tuple[
        tuple[int, int], ...
    ]  # (records, longest) of each group that attends together; padded rows are one group
    tokens: int  # U: rows times length where rows are padded
    learned: int  # L: losses computed
    packed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """The passes of an epoch, over the records that were looked at."""

    largest: PassShape
    records: int
    updates: int
    passes: int
    read: int  # tokens of the records
    computed: int  # tokens that pass through the model
    learned: int
    sizes: int  # different numbers of tokens that a pass has
    measured: bool  # on records; False: the worst that the parameters allow, for one update


def passes_of_records(lessons: Sequence[Lesson], train: TrainParams, layout: Layout) -> Passes:
    """Return the passes of the first epoch over these records, those of the first process.

    Args:
        lessons: At least one.
        train: Says how many records an update has.
        layout: How they are laid out.
    """
    found: list[PassShape] = []
    read = 0
    sampler = UpdateSampler(len(lessons), train.batch_size, train.seed)
    for numbers in sampler:
        update = collate_update([lessons[number] for number in numbers], layout, 0, min(train.processes, len(numbers)))
        found += [_shape(part) for part in update.passes]
        read += sum(part.read for part in update.passes)
    widest = max(found, key=lambda shape: shape.tokens)
    largest = PassShape(widest.groups, widest.tokens, max(shape.learned for shape in found), widest.packed)
    return Passes(
        largest=largest,
        records=len(lessons),
        updates=len(sampler),
        passes=len(found),
        read=read,
        computed=sum(shape.tokens for shape in found),
        learned=sum(shape.learned for shape in found),
        sizes=len({shape.tokens for shape in found}),
        measured=True,
    )


def _shape(part: Pass) -> PassShape:
    rows = tuple((group.shape[0], group.shape[1]) for group in part.attention_rows)
    packed = bool(rows)
    return PassShape(
        rows if packed else ((part.input_ids.shape[0], part.input_ids.shape[1]),),
        part.input_ids.numel(),
        len(part.predictors),
        packed,
    )


def worst_passes(train: TrainParams, layout: Layout) -> Passes:
    """Return one update at the worst: all records as long as may be, nothing shared, every token learned."""
    length = train.max_length - 1  # the last token predicts nothing
    records = max(1, math.ceil(train.batch_size / train.processes))
    together = max(1, min(records, layout.pass_tokens // max(1, length)))
    tokens = together * length
    passes = math.ceil(records / together)
    shape = PassShape(((together, length),), tokens, tokens, layout.packed)
    total = records * length
    return Passes(
        largest=shape,
        records=records,
        updates=1,
        passes=passes,
        read=total,
        computed=total,
        learned=total,
        sizes=1,
        measured=False,
    )
