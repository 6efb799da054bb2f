"""The protocol of a task file: everything that its scores depend on besides items and model. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from seodang.evaluation.tasks.source import TaskSource
from seodang.evaluation.tasks.spec import FileData, TaskSpec

_KEYS = (
    "kind",
    "prompts",
    "input",
    "answer",
    "options",
    "skip_blank_options",
    "delimiter",
    "separator",
    "normalise",
    "max_new_tokens",
    "until",
    "matching",
    "metrics",
    "stratified",
)
_FINGERPRINT_LENGTH = 16  # hexadecimal digits


def compute_protocol_fingerprint(spec: TaskSpec) -> str:
    """Return the fingerprint of a task's protocol: prompt, options, few-shot pool, stop texts, matching and metrics.

    Scores with different fingerprints must not be compared. The number of few-shot examples is not part of it, because
    the base may have its best one; every score names its own.
    """
    content = {**_list_settings(spec), "definition": spec.source.definition if spec.source else None}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_FINGERPRINT_LENGTH]


def _list_settings(spec: TaskSpec) -> dict[str, Any]:
    content = spec.model_dump(mode="json", include=set(_KEYS))
    data = spec.data
    pool = data.few_shot_file if isinstance(data, FileData) else data.split
    return {**content, "few_shot_examples": pool, "where": data.where if isinstance(data, FileData) else data.task}


def describe_protocol(spec: TaskSpec, shots: Sequence[int]) -> dict[str, Any]:
    """Return source and protocol of a task for the report of an evaluation.

    Args:
        spec: Of the task file.
        shots: Numbers of few-shot examples in the prompt of the base; tuned models get none.
    """
    has_pool = not isinstance(spec.data, FileData) or spec.data.few_shot_file is not None
    return {
        "task": spec.name,
        "fingerprint": compute_protocol_fingerprint(spec),
        "shots": list(shots) if has_pool else [0],
        "source": _describe_source(spec.source),
        **_list_settings(spec),
    }


def _describe_source(source: TaskSource | None) -> dict[str, Any] | None:
    return None if source is None else source.model_dump(mode="json", exclude={"urls"})
