"""The key of a run of preference tuning: equal keys give equal weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

from seodang.config import AlignParams, PromptParams, TrainParams

# Parameters that do not change the weights: a run may resume with other values of these.
_EXCLUDED: Final = {"sources", "logging_steps", "save_steps", "measured_prompts", "bounds"}
_PACKAGES: Final = ("torch", "transformers", "peft", "accelerate", "trl", "seodang")


def compute_alignment_key(
    align: AlignParams, train: TrainParams, prompt: PromptParams, inputs: Mapping[str, str], *, threads: int | None
) -> str:
    """Return 16 hex digits that identify a run.

    Args:
        align: The method and its optimizer.
        train: Precision, and for ORPO the adapter.
        prompt: The prompt template.
        inputs: Checksums of the preference records, of the base's files and of the tuned adapter, by name.
        threads: Threads on the CPU, as another number sums in another order; None on other devices.
    """
    content = {
        "align": align.model_dump(exclude=_EXCLUDED),
        "train": train.model_dump(exclude={"logging_steps", "save_steps", "report_to", "report_samples"}),
        "prompt": prompt.model_dump(),
        "inputs": dict(inputs),
        "threads": threads,
        "versions": {name: version(name) for name in _PACKAGES},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
