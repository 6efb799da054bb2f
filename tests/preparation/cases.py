"""Records and parameters for the tests of deduplication, decontamination, mixing and splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seodang.config import PrepareParams
from seodang.preparation.deduplication import Duplicates, find_duplicates, find_leaders
from seodang.preparation.features import Features, compute_features
from seodang.preparation.minhash import Sketches, compute_bands
from seodang.records import Record, make_record

DEDUPLICATION = {
    "threshold": 0.8,
    "shingle_ko": 3,
    "shingle_en": 5,
    "permutations": 128,
    "min_characters": 40,
    "template_after": 20,
}
DECONTAMINATION = {"ngram_words": 13, "ngram_characters_ko": 30, "threshold": 0.8}


def prepare_params(**changes: Any) -> PrepareParams:
    """Return the section `prepare` of a test; the changes of `deduplication` and `decontamination` are merged."""
    defaults: dict[str, Any] = {
        "seed": 1,
        "validation_ratio": 0.1,
        "test_ratio": 0.2,
        "held_out_clusters": ["ordering"],
        "test_only_tasks": ["own_words"],
        "replay_ratio": 0.0,
        "card": {"instructions": 10, "examples": 1},
    }
    sections = {
        "deduplication": {**DEDUPLICATION, **changes.pop("deduplication", {})},
        "decontamination": {**DECONTAMINATION, **changes.pop("decontamination", {})},
    }
    return PrepareParams.model_validate({**defaults, **sections, **changes})


def record(instruction: str, input: str = "", output: str = "예", **others: Any) -> Record:
    """Return a record of the source "s" and the task "t"."""
    return make_record(
        instruction=instruction, input=input, output=output, **{"source": "s", "task": "t", "cluster": "t", **others}
    )


def find_all_duplicates(
    records: list[Record], prepare: PrepareParams, folder: Path
) -> tuple[Features, list[int], Duplicates]:
    """Return the features of the records, the leader of each record, and the removed duplicates."""
    folder.mkdir(parents=True, exist_ok=True)
    permutations = prepare.deduplication.permutations
    with Sketches(folder, permutations, *compute_bands(prepare.deduplication.threshold, permutations)) as sketches:
        features = compute_features(records, len(records), prepare, sketches)
        leaders = find_leaders(features.rows, sketches, prepare.deduplication)
        return features, leaders.tolist(), find_duplicates(features.rows, leaders, sketches, prepare.deduplication)
