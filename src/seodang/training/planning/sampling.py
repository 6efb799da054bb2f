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
from seodang.training.dataset import TokenizedDataset, read_tokenized_dataset, write_tokenized_dataset

SAMPLE_SIZE = 2000  # records at the most


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Records of the split as training reads them, chosen by seed."""

    dataset: TokenizedDataset  # those that are short enough, and teach something
    records: int  # of the whole split
    sample_size: int
    validation_records: int  # records of the validation split

    @property
    def usable_records(self) -> int:
        """Return the records of the split that are neither too long nor without an answer; exact when all were looked at."""
        return round(self.records * len(self.dataset) / max(1, self.sample_size))


def sample_records(
    split: Path, validation: Path, tokenizer: PreTrainedTokenizerBase, format: PromptFormat, train: TrainParams
) -> Sample:
    """Return a sample of at most SAMPLE records of a split, in their order, tokenised as for training.

    Raises:
        ArtefactError: If the split cannot be read.
        ModelError: If the tokenizer has no end token.
    """
    records, count = _sample_reservoir(read_records(split), train.seed)
    with tempfile.TemporaryDirectory() as folder:
        dataset_folder = Path(folder) / "lessons"
        write_tokenized_dataset(dataset_folder, records, tokenizer, format, train.max_length)
        dataset = read_tokenized_dataset(dataset_folder)
    return Sample(
        dataset=dataset,
        records=count,
        sample_size=len(records),
        validation_records=sum(1 for _ in read_records(validation)) if validation.exists() else 0,
    )


def _sample_reservoir(records: Iterator[Record], seed: int) -> tuple[list[Record], int]:
    """Return the sample and the number of all, in one pass (algorithm R, Vitter 1985)."""
    rng = random.Random(seed)
    kept: list[tuple[int, Record]] = []
    count = 0
    for number, record in enumerate(records):
        count = number + 1
        if number < SAMPLE_SIZE:
            kept.append((number, record))
        elif (slot := rng.randrange(count)) < SAMPLE_SIZE:
            kept[slot] = (number, record)
    return [record for _, record in sorted(kept, key=lambda entry: entry[0])], count
