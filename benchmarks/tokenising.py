"""Tokenising for training: many records at a time against one by one, and what the tokenizer's own Rust code takes.

    python benchmarks/tokenising.py FILE... [--tokenizer FOLDER...] [--format alpaca] [--runs 5] [--max-length 512] [--profile]

FILE holds Alpaca-style records, each a data set of its own. Everything runs on one thread. In each run, in turn:

  lessons     write_lessons: render, tokenise, choose, write; every word is new to it at the start
  one by one  tokenise_record, on the first records only
  rust        the tokenizer's encode_batch_fast on the same texts whole: what batches alone would give
  read        read_lessons, and each lesson copied into packed rows of 16

Before that, the ids and labels of the first records are compared: many at a time must give what each gives by itself.
Rates are records a second of CPU time, medians with their range: the machine may have other work.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.ingest.readers.read import read_objects
from seodang.models.tokenization import tokenize_record
from seodang.prompting import Renderer
from seodang.records import Record, make_record
from seodang.training.dataset import read_tokenized_dataset, tokenize_example, write_tokenized_dataset

ROOT = Path(__file__).resolve().parent.parent
FIRST = 1000  # records that are also tokenised one by one


def records_of(file: Path) -> list[Record]:
    """Return the records of a file."""
    rows = [
        {name: str(row.get(name) or "") for name in ("instruction", "input", "output")}
        for row in read_objects(file, file.name)
    ]
    return [make_record(**row, source=file.stem, task="instruction", cluster="instruction") for row in rows]


def rate(work: Callable[[], object], records: int, *, forget: PreTrainedTokenizerBase | None = None) -> float:
    """Return records a second of CPU time; `forget` is a tokenizer whose own memory of words is emptied before."""
    if forget is not None:
        forget.backend_tokenizer.model._clear_cache()
    started = time.process_time()
    work()
    return records / (time.process_time() - started)


def packed(folder: Path) -> None:
    """Read all lessons, and copy them into rows of 16."""
    lessons = read_tokenized_dataset(folder)
    for start in range(0, len(lessons), 16):
        some = lessons[start : start + 16]
        np.concatenate([lesson.ids for lesson in some])
        np.concatenate([lesson.loss_mask for lesson in some])


def compare(records: Sequence[Record], tokenizer: PreTrainedTokenizerBase, format: PromptFormat, folder: Path) -> None:
    """Raise if a lesson from the files isn't that of the record by itself."""
    write_tokenized_dataset(folder, records, tokenizer, format, 1_000_000)
    alone = [
        lesson
        for lesson in (tokenize_example(tokenizer, record, format) for record in records)
        if lesson.loss_mask.any()
    ]
    stored = read_tokenized_dataset(folder)
    if len(stored) != len(alone) or any(
        a.ids.tolist() != b.ids.tolist() or a.loss_mask.tolist() != b.loss_mask.tolist()
        for a, b in zip(stored, alone, strict=True)
    ):
        raise SystemExit("the lessons in the files are not those of the records by themselves")


def measure(
    records: Sequence[Record], tokenizer: PreTrainedTokenizerBase, format: PromptFormat, max_length: int, folder: Path
) -> dict[str, float]:
    """Return the rates of one run."""
    renderer = Renderer(format, tokenizer)  # type: ignore[arg-type]
    texts = [segment.text for record in records for segment in renderer.render_example(record) if not segment.control]
    backend, count = tokenizer.backend_tokenizer, len(records)
    return {
        "lessons": rate(
            lambda: write_tokenized_dataset(folder, records, tokenizer, format, max_length), count, forget=tokenizer
        ),
        "one by one": rate(
            lambda: [tokenize_record(tokenizer, record, format) for record in records[:FIRST]], min(count, FIRST)
        ),
        "rust": rate(lambda: backend.encode_batch_fast(texts, add_special_tokens=False), count, forget=tokenizer),
        "read": rate(lambda: packed(folder), count),
    }


def report(name: str, runs: Sequence[dict[str, float]]) -> None:
    """Print a line of a Markdown table: the median of each rate, with its range."""
    cells = []
    for key in runs[0]:
        found = [run[key] for run in runs]
        cells.append(f"{statistics.median(found):,.0f} ({min(found):,.0f} to {max(found):,.0f})")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def profile(
    records: Sequence[Record], tokenizer: PreTrainedTokenizerBase, format: PromptFormat, max_length: int, folder: Path
) -> None:
    """Print where write_lessons spends its time."""
    profiler = cProfile.Profile()
    profiler.runcall(write_tokenized_dataset, folder, records, tokenizer, format, max_length)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(12)


def main() -> None:
    """Measure every tokenizer on every file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--tokenizer", nargs="+", type=Path, default=[ROOT / "models/primer-base"], metavar="FOLDER")
    parser.add_argument("--format", choices=["alpaca", "koalpaca", "chat", "plain"], default="alpaca")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")
    for folder in options.tokenizer:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        for file in options.files:
            records = records_of(file)
            size = sum(len(f"{record.instruction}{record.input}{record.output}".encode()) for record in records) / len(
                records
            )
            with tempfile.TemporaryDirectory() as scratch:
                lessons = Path(scratch) / "lessons"
                compare(records[:FIRST], tokenizer, options.format, lessons)
                runs = [
                    measure(records, tokenizer, options.format, options.max_length, lessons)
                    for _ in range(options.runs)
                ]
                if file == options.files[0]:
                    print(f"| records | {' | '.join(runs[0])} |\n|---|{'---|' * len(runs[0])}")
                report(f"{file.stem}, {len(records):,} of {size:.0f} bytes", runs)
                if options.profile:
                    profile(records, tokenizer, options.format, options.max_length, lessons)


if __name__ == "__main__":
    main()
