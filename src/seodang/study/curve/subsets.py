"""Training records of the points of a learning curve: nested subsets, selected by hash. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seodang.config.curve import CurveParams, CurveVariant
from seodang.evaluation.tasks.sampling import select_samples
from seodang.records import Record


@dataclass(frozen=True, slots=True)
class Subset:
    """The training records of one model."""

    variant: CurveVariant
    asked: int
    """Records of the tasks that the study file names."""
    seed: int
    task_records: tuple[Record, ...]
    other_records: tuple[Record, ...]
    """Empty for `single`."""
    asked_others: int

    @property
    def name(self) -> str:
        """Return the name of the model and of its folder."""
        return f"{self.variant}-{self.asked}-seed{self.seed}"

    @property
    def records(self) -> list[Record]:
        """Return all records, those of the tasks first; training shuffles them."""
        return [*self.task_records, *self.other_records]


def select_subsets(curve: CurveParams, training: Sequence[Record]) -> list[Subset]:
    """Return the training records of each model, small ones first; a record that occurs twice counts once.

    Of the numbers that exceed the records there are, the first one takes all records and the others are left out.

    Args:
        curve: Numbers, variants, seeds and tasks.
        training: The training split.
    """
    unique = list({record.id: record for record in training}.values())
    task_records = [record for record in unique if record.task in curve.held_in_tasks]
    others = [record for record in unique if record.task not in (*curve.held_in_tasks, *curve.held_out_tasks)]
    subsets = []
    for asked in select_numbers(curve, len(task_records)):
        for variant in curve.variants:
            for seed in curve.seeds:
                chosen = select_samples(task_records, seed=seed, limit=asked)
                asked_others = count_others(len(chosen), curve.mix_ratio) if variant == "mix" else 0
                added = select_samples(others, seed=seed, limit=asked_others)
                subsets.append(Subset(variant, asked, seed, tuple(chosen), tuple(added), asked_others))
    return subsets


def select_numbers(curve: CurveParams, available: int) -> list[int]:
    """Return the numbers up to the first one that takes all records."""
    within = [number for number in curve.records if number < available]
    return [*within, *[number for number in curve.records if number >= available][:1]]


def count_others(task_records: int, mix_ratio: float) -> int:
    """Return how many other records make up their share beside a number of task records."""
    return round(task_records * mix_ratio / (1 - mix_ratio))
