"""Stage `train`: a LoRA adapter from the training split."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict

from seodang.errors import TrainingError
from seodang.jsonl import read_records, sha256_of, write_json
from seodang.modeling.device import choose_device, keep_freed_memory
from seodang.modeling.loading import load_model, load_tokenizer
from seodang.modeling.lora import fitting, train_adapter
from seodang.modeling.tokenizing import Tokens, tokenise_record
from seodang.params import PromptParams, TrainParams
from seodang.paths import Paths
from seodang.prompting import fingerprint
from seodang.records import Record
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, prompt: PromptParams, train: TrainParams, paths: Paths) -> Report:
    """Train the adapter and report what was learned from what."""
    keep_freed_memory()
    device = choose_device(train.device)
    tokenizer = load_tokenizer(paths.base)
    model = load_model(paths.base, train.precision, device)

    def tokens_of(records: Sequence[Record]) -> list[Tokens]:
        return [tokenise_record(tokenizer, record, prompt.format) for record in records]

    splits = {name: tokens_of(list(read_records(paths.split(name)))) for name in ("train", "validation")}
    kept = {name: fitting(rows, train.max_length) for name, rows in splits.items()}
    for name, rows in kept.items():
        if not rows:
            raise TrainingError(f"no record of the {name} split fits into train.max_length {train.max_length}; raise it or shorten the records")
    logger.info("training on %s: %d records, %d too long", device, len(kept["train"]), len(splits["train"]) - len(kept["train"]))
    outcome = train_adapter(model, tokenizer, kept["train"], kept["validation"], train, device=device, adapter=paths.adapter, live=paths.live)
    learned = sum(len(row.completion) for row in kept["train"])
    report = {
        "device": device,
        "records": {name: len(rows) for name, rows in kept.items()},
        "too_long": {name: len(splits[name]) - len(rows) for name, rows in kept.items()},
        "tokens": sum(len(row.prompt) for row in kept["train"]) + learned,
        "learned_tokens": learned,
        "prompt_fingerprint": fingerprint(prompt.format, tokenizer),  # type: ignore[arg-type]
        "input_sha256": {name: sha256_of(paths.split(name)) for name in splits},
        "adapter_sha256": sha256_of(paths.adapter / "adapter_model.safetensors"),
        **asdict(outcome),
    }
    write_json(paths.train_report, report)
    logger.info(
        "trained: %d updates, loss %.3f, validation %.3f, %.0f s (%.0f CPU s), %d MB",
        outcome.updates,
        outcome.train_loss,
        outcome.validation_loss,
        outcome.seconds,
        outcome.cpu_seconds,
        outcome.peak_memory_mb,
    )
    return report
