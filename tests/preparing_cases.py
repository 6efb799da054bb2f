"""Records and parameters for the tests of duplicates, leaks, mixing and splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seodang.config import PrepareParams
from seodang.preparation.deduplication import Duplicates, find_duplicates, find_leaders
from seodang.preparation.features import Features, compute_features
from seodang.preparation.minhash import Sketches, compute_bands
from seodang.records import Record, make_record

DUPLICATES = {
    "threshold": 0.8,
    "shingle_ko": 3,
    "shingle_en": 5,
    "permutations": 128,
    "min_characters": 40,
    "template_after": 20,
}
LEAKS = {"ngram_words": 13, "ngram_characters_ko": 30, "threshold": 0.8}


def prepare_params(**changes: Any) -> PrepareParams:
    """Return the section `prepare` of a test; `duplicates` and `leaks` are laid over the usual ones."""
    usual: dict[str, Any] = {
        "seed": 1,
        "validation_ratio": 0.1,
        "test_ratio": 0.2,
        "held_out_clusters": ["ordering"],
        "test_only_tasks": ["own_words"],
        "replay_ratio": 0.0,
        "card": {"instructions": 10, "examples": 1},
    }
    sections = {
        "deduplication": {**DUPLICATES, **changes.pop("deduplication", {})},
        "decontamination": {**LEAKS, **changes.pop("decontamination", {})},
    }
    return PrepareParams.model_validate({**usual, **sections, **changes})


def record(instruction: str, input: str = "", output: str = "예", **others: Any) -> Record:
    """Return a record of the source "s" and the task "t"."""
    return make_record(
        instruction=instruction, input=input, output=output, **{"source": "s", "task": "t", "cluster": "t", **others}
    )


def surveyed(records: list[Record], prepare: PrepareParams, folder: Path) -> tuple[Features, list[int], Duplicates]:
    """Return the traits of the records, the leader of each, and what is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    permutations = prepare.deduplication.permutations
    with Sketches(folder, permutations, *compute_bands(prepare.deduplication.threshold, permutations)) as sketches:
        traits = compute_features(records, len(records), prepare, sketches)
        leaders = find_leaders(traits.rows, sketches, prepare.deduplication)
        return traits, leaders.tolist(), find_duplicates(traits.rows, leaders, sketches, prepare.deduplication)
