"""Checkpoints that are complete or do not count, and the key of the run that they belong to."""

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
from seodang.errors import ArtifactError
from seodang.i18n import _
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import write_json
from seodang.models.methods import get_method

logger = logging.getLogger(__name__)

COMPLETE_MARKER = "complete.json"
CHECKPOINT_PREFIX = "checkpoint-"
# Parameters that do not change the weights: a run may resume with other values of these.
_EXCLUDED_FROM_KEY = {"logging_steps", "save_steps", "report_to", "report_samples", "minimum_eos_ratio"}
_KEY_PACKAGES = ("torch", "transformers", "peft", "accelerate", "seodang")


def compute_run_key(
    train: TrainParams, prompt: PromptParams, inputs: Mapping[str, str], *, world_size: int, threads: int | None
) -> str:
    """Return 16 hex digits that identify a run: equal parameters, inputs and versions give equal weights.

    Args:
        train: The method and the optimizer.
        prompt: The prompt template.
        inputs: Checksums of the splits and of the base's files (with tokenizer and chat template), by name.
        world_size: Processes that train together, over all machines; each one writes its part of a checkpoint.
        threads: Threads of a process on the CPU, as another number sums in another order; None on other devices.
    """
    method_package = get_method(train).package
    packages = (*_KEY_PACKAGES, *([method_package] if method_package is not None else []))
    key_fields = {
        "train": train.model_dump(exclude=_EXCLUDED_FROM_KEY),
        "prompt": prompt.model_dump(),
        "inputs": dict(inputs),
        "processes": world_size,
        "threads": threads,
        "versions": {name: version(name) for name in packages},
    }
    return hashlib.sha256(json.dumps(key_fields, sort_keys=True).encode()).hexdigest()[:16]


def mark_complete(checkpoint: Path) -> None:
    """Mark a checkpoint as complete with the checksums of its files; before that it does not count."""
    files = {
        str(file.relative_to(checkpoint)): compute_sha256(file)
        for file in sorted(checkpoint.rglob("*"))
        if file.is_file() and file.name != COMPLETE_MARKER
    }
    write_json(checkpoint / COMPLETE_MARKER, {"files": files})


def find_latest_checkpoint(run: Path) -> Path | None:
    """Return the newest complete checkpoint; log and delete newer ones that are damaged or incomplete."""
    for checkpoint in sorted(run.glob(f"{CHECKPOINT_PREFIX}*"), key=_parse_step, reverse=True):
        problem = _find_problem(checkpoint)
        if problem is None:
            return checkpoint
        logger.warning(
            _(
                "{checkpoint} is not used: {problem}; training looks for the checkpoint before it",
                checkpoint=checkpoint,
                problem=problem,
            )
        )
        shutil.rmtree(checkpoint)
    return None


def delete_other_runs(folder: Path, key: str) -> None:
    """Delete the files of runs with another key, so that old checkpoints do not fill the disk."""
    for other in sorted(folder.glob("*")):
        if other.name != key:
            logger.info(
                _(
                    "deleting {folder}: it belongs to a run with other parameters, data or number of threads",
                    folder=other,
                )
            )
            shutil.rmtree(other, ignore_errors=True)


def _parse_step(checkpoint: Path) -> int:
    digits = checkpoint.name.removeprefix(CHECKPOINT_PREFIX)
    return int(digits) if digits.isdigit() else -1


def _find_problem(checkpoint: Path) -> str | None:
    try:
        files: Mapping[str, Any] = json.loads((checkpoint / COMPLETE_MARKER).read_text("utf-8"))["files"]
    except FileNotFoundError:
        return _("it is incomplete")
    except (OSError, ValueError, KeyError, ArtifactError) as error:
        return _("its list of checksums, {name}, cannot be read ({error})", name=COMPLETE_MARKER, error=error)
    for name, checksum in files.items():
        file = checkpoint / name
        if not file.is_file() or compute_sha256(file) != checksum:
            return _("{name} is damaged or missing", name=name)
    return None
