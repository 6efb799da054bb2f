"""Stage `train`: fine-tune the base on the training split."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from seodang.config import PromptParams, TrainParams
from seodang.errors import TrainingError
from seodang.i18n import _, ngettext
from seodang.io.atomic import compute_sha256
from seodang.io.file_digests import compute_known_sha256
from seodang.io.jsonl import read_json, read_records, write_json
from seodang.models.adapters import compute_tuned_sha256
from seodang.models.checkpoints import compute_weights_sha256
from seodang.models.device import choose_device, keep_freed_memory
from seodang.models.loading import check_max_length, get_context_length, load_model, load_tokenizer
from seodang.models.methods import get_method
from seodang.models.tokenization import get_end_id, get_pad_id
from seodang.paths import Paths
from seodang.prompting import compute_fingerprint
from seodang.records import Record
from seodang.stages import Report
from seodang.training.checkpointing import compute_run_key, delete_other_runs
from seodang.training.dataset import TokenizedDataset, read_tokenized_dataset, write_tokenized_dataset
from seodang.training.distributed import (
    broadcast_from_main,
    check_processes,
    get_local_device,
    get_world_size,
    is_launched,
    join_process_group,
)
from seodang.training.finetune import TrainingPaths, train_model
from seodang.training.launching import launch
from seodang.training.result import TrainingResult
from seodang.training.run_record import ReportSample, collect_versions
from seodang.training.samples import build_length_filter, generate_short_answers, select_sample_records
from seodang.training.tracking import check_trackers, track_run
from seodang.training.trainer_factory import Splits

logger = logging.getLogger(__name__)

_SPLITS = ("train", "validation")


def run(*, prompt: PromptParams, train: TrainParams, paths: Paths) -> Report:
    """Train and write the report; an interrupted run resumes from its last checkpoint.

    With train.processes above 1 it starts the processes. If a launcher has started this process (torchrun, on
    several machines), it joins the others.
    """
    check_trackers(train.report_to)
    device = choose_device(train.device)
    check_processes(train, device)
    if train.processes > 1 and not is_launched():
        launch(_train, (prompt, train, paths), processes=train.processes, device=device)
    else:
        with join_process_group(device):
            _train(prompt, train, paths)
    report: Report = read_json(paths.train_report)
    return report


def _train(prompt: PromptParams, train: TrainParams, paths: Paths) -> None:
    """Train in this process, together with the others if there are any; the main process reads, writes and logs."""
    keep_freed_memory()
    device = choose_device(train.device)
    inputs, run_dir = broadcast_from_main(lambda: _prepare_run_dir(prompt, train, paths))
    tokenizer = load_tokenizer(paths.base)
    datasets = {
        name: _load_dataset(run_dir / name, paths.get_split_path(name), tokenizer, prompt, train) for name in _SPLITS
    }
    logger.info(
        _(
            "training on {device}: {training}, {validation}",
            device=_format_devices(device),
            training=ngettext("{count:,} training record", "{count:,} training records", len(datasets["train"])),
            validation=ngettext(
                "{count:,} validation record", "{count:,} validation records", len(datasets["validation"])
            ),
        )
    )
    with track_run(train, {"prompt": prompt, "train": train}, live=paths.dvclive, runs=paths.tracking) as tracking:
        load_in_4bit = get_method(train).loads_in_4bit
        model = load_model(paths.base, train.precision, get_local_device(device), load_in_4bit=load_in_4bit)
        check_max_length(model.config, train.max_length)
        context = get_context_length(model.config)
        fits = build_length_filter(tokenizer, prompt.format, train.max_length, context)
        samples = _select_report_samples(train, paths, fits)
        before = generate_short_answers(model, tokenizer, samples, prompt.format)
        result = train_model(
            model,
            Splits(datasets["train"], datasets["validation"]),
            train,
            tracking,
            pad_token_id=get_pad_id(tokenizer),
            eos_token_id=get_end_id(tokenizer, prompt.format),
            device=device,
            paths=TrainingPaths(base=paths.base, checkpoints=run_dir / "checkpoints", output=paths.adapter),
        )
    after = generate_short_answers(model, tokenizer, samples, prompt.format)
    report = _build_report(datasets, result, inputs, device, compute_fingerprint(prompt.format, tokenizer), paths)
    report["samples"] = [
        asdict(ReportSample(record.instruction, record.input, record.output, *answers))
        for record, *answers in zip(samples, before, after, strict=True)
    ]
    broadcast_from_main(lambda: _finish(report, result, run_dir, paths))


def _prepare_run_dir(prompt: PromptParams, train: TrainParams, paths: Paths) -> tuple[dict[str, str], Path]:
    """Return the checksums of the splits and the folder of this run; delete the folders of other runs."""
    inputs = {name: compute_sha256(paths.get_split_path(name)) for name in _SPLITS}
    base = {
        str(file.relative_to(paths.base)): compute_known_sha256(file)
        for file in sorted(paths.base.rglob("*"))
        if file.is_file()
    }
    threads = torch.get_num_threads() if choose_device(train.device) == "cpu" else None
    key = compute_run_key(train, prompt, {**inputs, **base}, world_size=get_world_size(), threads=threads)
    delete_other_runs(paths.training, key)
    return inputs, paths.training / key


def _select_report_samples(train: TrainParams, paths: Paths, fits: Callable[[Record], bool]) -> list[Record]:
    """Return the records whose answers the report shows; none with sharding, as a single process cannot generate."""
    count = train.report_samples if train.sharding == "none" else 0
    return (
        select_sample_records(list(read_records(paths.get_split_path("validation"))), count, fits=fits) if count else []
    )


def _finish(report: dict[str, Any], result: TrainingResult, run_dir: Path, paths: Paths) -> None:
    write_json(paths.train_report, report)
    shutil.rmtree(run_dir)
    logger.info(
        _(
            "trained: {steps}, training loss {train_loss:.3f}, validation loss {validation_loss:.3f},"
            " {seconds:.0f} s ({cpu_seconds:.0f} CPU s), {memory} MB",
            steps=ngettext("{count:,.0f} optimizer step", "{count:,.0f} optimizer steps", result.steps),
            train_loss=result.train_loss,
            validation_loss=result.validation_loss,
            seconds=result.seconds,
            cpu_seconds=result.cpu_seconds,
            memory=result.peak_memory_mb,
        )
    )


def _format_devices(device: str) -> str:
    return device if get_world_size() == 1 else f"{get_world_size()} x {device}"


def _load_dataset(
    folder: Path, split: Path, tokenizer: PreTrainedTokenizerBase, prompt: PromptParams, train: TrainParams
) -> TokenizedDataset:
    """Return the tokenized records of a split; an interrupted run has already written them."""
    broadcast_from_main(
        lambda: (
            folder.exists()
            or write_tokenized_dataset(folder, read_records(split), tokenizer, prompt.format, train.max_length)
        )
    )
    dataset = read_tokenized_dataset(folder)
    counts = dataset.counts
    if not len(dataset):
        raise TrainingError(
            _(
                "{split} has no record that fits into train.max_length {max_length} (too long: {too_long},"
                " without an answer: {without_answer}); raise it, or shorten the records",
                split=split,
                max_length=train.max_length,
                too_long=counts.too_long,
                without_answer=counts.without_answer,
            )
        )
    if counts.too_long or counts.without_answer:
        logger.info(
            _(
                "records left out of {split}: {too_long} longer than train.max_length {max_length}, {without_answer}"
                " without an answer",
                split=split.name,
                too_long=counts.too_long,
                max_length=train.max_length,
                without_answer=counts.without_answer,
            )
        )
    return dataset


def _build_report(
    datasets: Mapping[str, TokenizedDataset],
    result: TrainingResult,
    inputs: Mapping[str, str],
    device: str,
    prompt_fingerprint: str,
    paths: Paths,
) -> dict[str, Any]:
    train_dataset = datasets["train"]
    return {
        "device": device,
        "processes": get_world_size(),
        "records": {name: len(rows) for name, rows in datasets.items()},
        "too_long": {name: rows.counts.too_long for name, rows in datasets.items()},
        "without_answer": {name: rows.counts.without_answer for name, rows in datasets.items()},
        "tokens": int(train_dataset.lengths.sum()),
        "label_tokens": int(train_dataset.label_counts.sum()),
        "prompt_fingerprint": prompt_fingerprint,
        "input_sha256": dict(inputs),
        "adapter_sha256": compute_tuned_sha256(paths.adapter),
        "base_sha256": compute_weights_sha256(paths.base),
        "versions": collect_versions(),
        **asdict(result),
    }
