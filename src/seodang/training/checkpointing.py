"""Checkpoints that are whole or don't count, and the name of the run that they belong to."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from seodang.config import PromptParams, TrainParams
from seodang.errors import ArtefactError
from seodang.io.atomic import sha256_of
from seodang.io.jsonl import write_json

logger = logging.getLogger(__name__)

COMPLETE_MARKER = "seal.json"
CHECKPOINT_PREFIX = "checkpoint-"
# What changes nothing in the weights: a run may go on with other values of these.
_EXCLUDED_FROM_KEY = {"logging_steps", "save_steps", "report_to", "report_samples", "minimum_eos_ratio"}
_KEY_PACKAGES = ("torch", "transformers", "peft", "accelerate", "seodang")
_QUANTIZATION_PACKAGE = "bitsandbytes"  # decides with method qlora, and need not be there else


def compute_run_key(train: TrainParams, prompt: PromptParams, inputs: Mapping[str, str], *, world_size: int) -> str:
    """Return 16 hex digits that name a run: the same parameters, inputs and versions give the same weights.

    Args:
        train: The method and the optimiser.
        prompt: How records are rendered.
        inputs: Checksums of splits and of the base's files, tokenizer and chat template among them, by name.
        processes: That train together, over all machines: each has checkpointed its own part.
    """
    key_fields = {
        "train": train.model_dump(exclude=_EXCLUDED_FROM_KEY),
        "prompt": prompt.model_dump(),
        "inputs": dict(inputs),
        "processes": world_size,
        "versions": {
            name: version(name)
            for name in (*_KEY_PACKAGES, *([_QUANTIZATION_PACKAGE] if train.method == "qlora" else []))
        },
    }
    return hashlib.sha256(json.dumps(key_fields, sort_keys=True).encode()).hexdigest()[:16]


def mark_complete(checkpoint: Path) -> None:
    """Mark a checkpoint as whole, by the checksums of its files; before that it doesn't count."""
    files = {
        str(file.relative_to(checkpoint)): sha256_of(file)
        for file in sorted(checkpoint.rglob("*"))
        if file.is_file() and file.name != COMPLETE_MARKER
    }
    write_json(checkpoint / COMPLETE_MARKER, {"files": files})


def find_latest_checkpoint(run: Path) -> Path | None:
    """Return the newest checkpoint whose files are as they were sealed; a damaged one is named, and taken away."""
    for checkpoint in sorted(run.glob(f"{CHECKPOINT_PREFIX}*"), key=_parse_step, reverse=True):
        problem = _find_problem(checkpoint)
        if problem is None:
            return checkpoint
        logger.warning("%s is not used: %s; going back to the checkpoint before", checkpoint, problem)
        shutil.rmtree(checkpoint)
    return None


def delete_other_runs(folder: Path, key: str) -> None:
    """Delete what runs of other parameters have left: checkpoints stay bounded in number."""
    for other in sorted(folder.glob("*")):
        if other.name != key:
            logger.info("deleting %s, left by a run with other parameters or data", other)
            shutil.rmtree(other, ignore_errors=True)


def _parse_step(checkpoint: Path) -> int:
    digits = checkpoint.name.removeprefix(CHECKPOINT_PREFIX)
    return int(digits) if digits.isdigit() else -1


def _find_problem(checkpoint: Path) -> str | None:
    try:
        files: Mapping[str, Any] = json.loads((checkpoint / COMPLETE_MARKER).read_text("utf-8"))["files"]
    except FileNotFoundError:
        return "it was not finished"
    except (OSError, ValueError, KeyError, ArtefactError) as error:
        return f"its seal cannot be read ({error})"
    for name, checksum in files.items():
        file = checkpoint / name
        if not file.is_file() or sha256_of(file) != checksum:
            return f"{name} is damaged or missing"
    return None
