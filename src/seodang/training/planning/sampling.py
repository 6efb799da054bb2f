"""What the training split says about a run, told from a sample of its records."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat, TrainParams
from seodang.io.jsonl import read_records
from seodang.records import Record
from seodang.training.dataset import Lessons, read_lessons, write_lessons

SAMPLE = 2000  # records at the most


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Records of the split as training reads them, chosen by seed."""

    lessons: Lessons  # those that are short enough, and teach something
    records: int  # of the whole split
    looked_at: int
    validation: int  # records of the validation split

    @property
    def learned_from(self) -> int:
        """Return the records of the split that are neither too long nor without an answer; exact when all were looked at."""
        return round(self.records * len(self.lessons) / max(1, self.looked_at))


def sample_records(
    split: Path, validation: Path, tokenizer: PreTrainedTokenizerBase, format: PromptFormat, train: TrainParams
) -> Sample:
    """Return a sample of at most SAMPLE records of a split, in their order, tokenised as for training.

    Raises:
        ArtefactError: If the split cannot be read.
        ModelError: If the tokenizer has no end token.
    """
    chosen, count = _chosen(read_records(split), train.seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "lessons"
        write_lessons(place, chosen, tokenizer, format, train.max_length)
        lessons = read_lessons(place)
    return Sample(
        lessons=lessons,
        records=count,
        looked_at=len(chosen),
        validation=sum(1 for _ in read_records(validation)) if validation.exists() else 0,
    )


def _chosen(records: Iterator[Record], seed: int) -> tuple[list[Record], int]:
    """Return the sample and the number of all, in one pass (algorithm R, Vitter 1985)."""
    draw = random.Random(seed)
    kept: list[tuple[int, Record]] = []
    count = 0
    for number, record in enumerate(records):
        count = number + 1
        if number < SAMPLE:
            kept.append((number, record))
        elif (place := draw.randrange(count)) < SAMPLE:
            kept[place] = (number, record)
    return [record for _, record in sorted(kept, key=lambda entry: entry[0])], count
