"""Stage `train`: what the training split teaches, on top of the base."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from seodang.config import PromptParams, TrainParams
from seodang.errors import TrainingError
from seodang.io.atomic import sha256_of
from seodang.io.jsonl import read_json, read_records, write_json
from seodang.models.adapters import trained_sha256
from seodang.models.device import choose_device, keep_freed_memory
from seodang.models.loading import check_length, context_length, load_model, load_tokenizer
from seodang.models.tokenization import end_id, pad_id
from seodang.paths import Paths
from seodang.prompting import fingerprint
from seodang.records import Record
from seodang.stages import Report
from seodang.training.checkpointing import forget_other_runs, run_key
from seodang.training.dataset import Lessons, read_lessons, write_lessons
from seodang.training.distributed import (
    check_processes,
    from_first,
    group,
    is_launched,
    launch,
    own_device,
    process_count,
)
from seodang.training.finetune import Outcome, Places, Splits, train_model
from seodang.training.run_record import Example, versions
from seodang.training.samples import answerable, fitting_examples, short_answers
from seodang.training.tracking import check_trackers, tracked

logger = logging.getLogger(__name__)

_SPLITS = ("train", "validation")


def run(*, prompt: PromptParams, train: TrainParams, paths: Paths) -> Report:
    """Train and report what was learned from what. A run that was killed goes on from its last checkpoint.

    With train.processes above 1 it starts them; where a launcher has done so (torchrun, on several machines), it takes part.
    """
    check_trackers(train.tracking)
    device = choose_device(train.device)
    check_processes(train, device)
    if train.processes > 1 and not is_launched():
        launch(_train, (prompt, train, paths), processes=train.processes, device=device)
    else:
        with group(device):
            _train(prompt, train, paths)
    report: Report = read_json(paths.train_report)
    return report


def _train(prompt: PromptParams, train: TrainParams, paths: Paths) -> None:
    """Train in this process, with the others if there are any: the first one reads, writes and tells."""
    keep_freed_memory()
    device = choose_device(train.device)
    inputs, place = from_first(lambda: _place(prompt, train, paths))
    tokenizer = load_tokenizer(paths.base)
    lessons = {name: _lessons(place / name, paths.split(name), tokenizer, prompt, train) for name in _SPLITS}
    logger.info(
        "training on %s: %s",
        _devices(device),
        ", ".join(f"{len(rows)} {name} records" for name, rows in lessons.items()),
    )
    with tracked(train, {"prompt": prompt, "train": train}, live=paths.live, runs=paths.tracking) as watched:
        model = load_model(paths.base, train.precision, own_device(device), four_bit=train.method == "qlora")
        check_length(model.config, train.max_length)
        shown = _shown(
            train, paths, answerable(tokenizer, prompt.format, train.max_length, context_length(model.config))
        )
        before = short_answers(model, tokenizer, shown, prompt.format)
        outcome = train_model(
            model,
            Splits(lessons["train"], lessons["validation"]),
            train,
            watched,
            pad=pad_id(tokenizer),
            end=end_id(tokenizer, prompt.format),
            device=device,
            places=Places(base=paths.base, run=place / "checkpoints", trained=paths.adapter),
        )
    after = short_answers(model, tokenizer, shown, prompt.format)
    report = _report(lessons, outcome, inputs, device, fingerprint(prompt.format, tokenizer), paths)
    report["examples"] = [
        asdict(Example(record.instruction, record.input, record.output, *answers))
        for record, *answers in zip(shown, before, after, strict=True)
    ]
    from_first(lambda: _finish(report, outcome, place, paths))


def _place(prompt: PromptParams, train: TrainParams, paths: Paths) -> tuple[dict[str, str], Path]:
    """Return the checksums of the splits, and the folder of this run; those of other runs are deleted."""
    inputs = {name: sha256_of(paths.split(name)) for name in _SPLITS}
    base = {
        str(file.relative_to(paths.base)): sha256_of(file) for file in sorted(paths.base.rglob("*")) if file.is_file()
    }
    key = run_key(train, prompt, {**inputs, **base}, processes=process_count())
    forget_other_runs(paths.training, key)
    return inputs, paths.training / key


def _shown(train: TrainParams, paths: Paths, fits: Callable[[Record], bool]) -> list[Record]:
    """Return the records whose answers the report shows; none where the weights are spread, as one process cannot answer then."""
    count = train.examples if train.sharding == "none" else 0
    return fitting_examples(list(read_records(paths.split("validation"))), count, fits=fits) if count else []


def _finish(report: dict[str, Any], outcome: Outcome, place: Path, paths: Paths) -> None:
    write_json(paths.train_report, report)
    shutil.rmtree(place)
    logger.info(
        "trained: %d updates, loss %.3f, validation %.3f, %.0f s (%.0f CPU s), %d MB",
        *(
            outcome.updates,
            outcome.train_loss,
            outcome.validation_loss,
            outcome.seconds,
            outcome.cpu_seconds,
            outcome.peak_memory_mb,
        ),
    )


def _devices(device: str) -> str:
    return device if process_count() == 1 else f"{process_count()} x {device}"


def _lessons(
    folder: Path, split: Path, tokenizer: PreTrainedTokenizerBase, prompt: PromptParams, train: TrainParams
) -> Lessons:
    """Return the records of a split as tokens, those of a killed run if it had come so far."""
    from_first(
        lambda: (
            folder.exists() or write_lessons(folder, read_records(split), tokenizer, prompt.format, train.max_length)
        )
    )
    lessons = read_lessons(folder)
    counts = lessons.counts
    if not len(lessons):
        raise TrainingError(
            f"{split} has no record that fits into train.max_length {train.max_length} ({counts.too_long} are longer, {counts.without_answer} have no answer); raise it, or shorten the records"
        )
    if counts.too_long or counts.without_answer:
        logger.info(
            "left out of %s: %d longer than %d tokens, %d without an answer",
            split.name,
            counts.too_long,
            train.max_length,
            counts.without_answer,
        )
    return lessons


def _report(
    lessons: Mapping[str, Lessons],
    outcome: Outcome,
    inputs: Mapping[str, str],
    device: str,
    renderer: str,
    paths: Paths,
) -> dict[str, Any]:
    training = lessons["train"]
    return {
        "device": device,
        "processes": process_count(),
        "records": {name: len(rows) for name, rows in lessons.items()},
        "too_long": {name: rows.counts.too_long for name, rows in lessons.items()},
        "without_answer": {name: rows.counts.without_answer for name, rows in lessons.items()},
        "tokens": int(training.lengths.sum()),
        "learned_tokens": int(training.learned_counts.sum()),
        "prompt_fingerprint": renderer,
        "input_sha256": dict(inputs),
        "adapter_sha256": trained_sha256(paths.adapter),
        "versions": versions(),
        **asdict(outcome),
    }
