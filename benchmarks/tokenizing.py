"""Tokenizing for training: many records at a time, one by one, and by the tokenizer's Rust code alone.

    python benchmarks/tokenizing.py FILE... [--tokenizer FOLDER...] [--format alpaca] [--runs 5] [--max-length 512]
        [--profile]

FILE holds Alpaca-style records; each is a data set of its own. Everything runs on one thread. The columns of each run:

  write       write_tokenized_dataset: render, tokenize, filter, write; the tokenizer's cache of words is empty first
  one by one  tokenize_example, on the first records only
  rust        encode_batch_fast of the tokenizer on the same texts: the upper limit for a batch
  read        read_tokenized_dataset, with each example copied into packed rows of 16

Before that, the tokens and loss masks of the first records are compared: a batch must give the same as each record by
itself. Rates are records per second of CPU time, medians with their range, because the machine may have other work.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import get_args

import numpy as np
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.ingest.readers.read import read_objects
from seodang.prompting import Renderer
from seodang.records import Record, make_record
from seodang.training.dataset import read_tokenized_dataset, write_tokenized_dataset
from seodang.training.example_tokenizer import tokenize_example

ROOT = Path(__file__).resolve().parent.parent
FIRST_RECORDS = 1000  # records that are also tokenized one by one
RECORDS_PER_ROW = 16
_NO_LIMIT = 1_000_000  # tokens


@dataclass(frozen=True, slots=True)
class Setup:
    """What is tokenized, and how."""

    records: Sequence[Record]
    tokenizer: PreTrainedTokenizerBase
    format: PromptFormat
    max_length: int
    folder: Path  # of the tokenized dataset


def read_alpaca_records(file: Path) -> list[Record]:
    """Return the records of a file."""
    return [
        make_record(
            instruction=str(row.get("instruction") or ""),
            input=str(row.get("input") or ""),
            output=str(row.get("output") or ""),
            source=file.stem,
            task="instruction",
            cluster="instruction",
        )
        for row in read_objects(file, file.name)
    ]


def clear_word_cache(tokenizer: PreTrainedTokenizerBase) -> None:
    """Empty the cache of words in the tokenizer's Rust code."""
    tokenizer.backend_tokenizer.model._clear_cache()


def measure_rate(work: Callable[[], object], records: int) -> float:
    """Return records per second of CPU time."""
    start = time.process_time()
    work()
    return records / (time.process_time() - start)


def read_packed(folder: Path) -> None:
    """Read all examples, and copy them into packed rows."""
    dataset = read_tokenized_dataset(folder)
    for start in range(0, len(dataset), RECORDS_PER_ROW):
        examples = dataset[start : start + RECORDS_PER_ROW]
        np.concatenate([example.ids for example in examples])
        np.concatenate([example.loss_mask for example in examples])


def check_agreement(setup: Setup) -> None:
    """Exit with an error if a stored example is not that of the record by itself."""
    records = setup.records[:FIRST_RECORDS]
    write_tokenized_dataset(setup.folder, records, setup.tokenizer, setup.format, _NO_LIMIT)
    single = [tokenize_example(setup.tokenizer, record, setup.format) for record in records]
    expected = [example for example in single if example.loss_mask.any()]
    stored = read_tokenized_dataset(setup.folder)
    if len(stored) != len(expected) or not all(
        np.array_equal(a.ids, b.ids) and np.array_equal(a.loss_mask, b.loss_mask)
        for a, b in zip(stored, expected, strict=True)
    ):
        raise SystemExit("a batch of records does not give the same tokens as each record by itself")


def measure(setup: Setup) -> dict[str, float]:
    """Return the rates of one run."""
    records, tokenizer, format = setup.records, setup.tokenizer, setup.format
    renderer, count = Renderer(format, tokenizer), len(records)
    texts = [segment.text for record in records for segment in renderer.render_example(record) if not segment.control]
    first = records[:FIRST_RECORDS]
    rates = {}
    clear_word_cache(tokenizer)
    rates["write"] = measure_rate(
        lambda: write_tokenized_dataset(setup.folder, records, tokenizer, format, setup.max_length), count
    )
    rates["one by one"] = measure_rate(
        lambda: [tokenize_example(tokenizer, record, format) for record in first], len(first)
    )
    clear_word_cache(tokenizer)
    rates["rust"] = measure_rate(
        lambda: tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False), count
    )
    rates["read"] = measure_rate(lambda: read_packed(setup.folder), count)
    return rates


def print_row(name: str, runs: Sequence[dict[str, float]]) -> None:
    """Print a line of a Markdown table: the median of each rate with its range."""
    columns = {key: [run[key] for run in runs] for key in runs[0]}
    cells = [f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})" for rates in columns.values()]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def print_profile(setup: Setup) -> None:
    """Print the functions in which write_tokenized_dataset spends its time."""
    profiler = cProfile.Profile()
    profiler.runcall(
        write_tokenized_dataset, setup.folder, setup.records, setup.tokenizer, setup.format, setup.max_length
    )
    pstats.Stats(profiler).sort_stats("tottime").print_stats(12)


def parse_options() -> argparse.Namespace:
    """Return the command-line options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--tokenizer", nargs="+", type=Path, default=[ROOT / "models/primer-base"], metavar="FOLDER")
    parser.add_argument("--format", choices=get_args(PromptFormat), default="alpaca")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure every tokenizer on every file."""
    options = parse_options()
    os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")
    for folder in options.tokenizer:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        print(f"{folder.name}\n| records | write | one by one | rust | read |\n|---|---|---|---|---|")
        for file in options.files:
            records = read_alpaca_records(file)
            size = mean(len(f"{record.instruction}{record.input}{record.output}".encode()) for record in records)
            with tempfile.TemporaryDirectory() as scratch:
                setup = Setup(records, tokenizer, options.format, options.max_length, Path(scratch) / "dataset")
                check_agreement(setup)
                print_row(
                    f"{file.stem}, {len(records):,} of {size:.0f} bytes", [measure(setup) for _ in range(options.runs)]
                )
                if options.profile:
                    print_profile(setup)


if __name__ == "__main__":
    main()
