"""A sample of the training records, from which a plan estimates the run."""

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

SAMPLE_SIZE = 2000  # maximum number of records


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Tokenized records of the training split, chosen by seed."""

    dataset: TokenizedDataset  # records within max_length that have label tokens
    records: int  # in the training split
    sample_size: int
    validation_records: int  # in the validation split

    @property
    def usable_records(self) -> int:
        """Return the number of records of the split that training uses; exact if the sample is the entire split."""
        return round(self.records * len(self.dataset) / max(1, self.sample_size))


def sample_records(
    split: Path, validation: Path, tokenizer: PreTrainedTokenizerBase, format: PromptFormat, train: TrainParams
) -> Sample:
    """Return a sample of at most SAMPLE_SIZE records of a split, in their order, tokenized as for training.

    Raises:
        ArtifactError: If the split cannot be read.
        ModelError: If the tokenizer has no end token.
    """
    records, count = _sample_reservoir(read_records(split), train.seed)
    with tempfile.TemporaryDirectory() as folder:
        dataset_folder = Path(folder) / "dataset"
        write_tokenized_dataset(dataset_folder, records, tokenizer, format, train.max_length)
        dataset = read_tokenized_dataset(dataset_folder)
    return Sample(
        dataset=dataset,
        records=count,
        sample_size=len(records),
        validation_records=sum(1 for _ in read_records(validation)) if validation.exists() else 0,
    )


def read_sample(split: Path, seed: int) -> list[Record]:
    """Return a sample of at most SAMPLE_SIZE records of a split, in their order.

    Raises:
        ArtifactError: If the split cannot be read.
    """
    return _sample_reservoir(read_records(split), seed)[0]


def _sample_reservoir(records: Iterator[Record], seed: int) -> tuple[list[Record], int]:
    """Return the sample and the number of all records (algorithm R, Vitter 1985)."""
    rng = random.Random(seed)
    kept: list[tuple[int, Record]] = []
    count = 0
    for index, record in enumerate(records):
        count = index + 1
        if index < SAMPLE_SIZE:
            kept.append((index, record))
        elif (slot := rng.randrange(count)) < SAMPLE_SIZE:
            kept[slot] = (index, record)
    return [record for _, record in sorted(kept, key=lambda entry: entry[0])], count
