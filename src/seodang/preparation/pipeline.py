"""From accepted records to what stands where: duplicates, sides, leaks, mixing, one after the other.

Three passes over the file, each a stream: traits of every record, questions of the evaluation items, and the training records
past them. Only arrays of fixed-size rows stay in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from seodang.config import IngestParams, PrepareParams
from seodang.errors import ArtefactError, SplitError
from seodang.io.jsonl import parse_record, read_lines, read_records
from seodang.io.progress import track_progress
from seodang.preparation.decontamination import Leak, find_leaks, gather_items, read_questions
from seodang.preparation.deduplication import Duplicates, find_duplicates, find_leaders
from seodang.preparation.features import Features, compute_features, compute_unit_hash, find_templates
from seodang.preparation.minhash import Sketches, compute_bands
from seodang.preparation.mixing import Mix, mix
from seodang.preparation.splitting import (
    SPLITS,
    TEST,
    TRAIN,
    assign_splits,
    check_not_empty,
    compute_positions,
    count_leaks,
    find_roots,
)
from seodang.records import Record

# What becomes of a record; all but the first are reasons to leave it out, in the order in which they are looked for.
STATUSES: Final = ("kept", "undesirable", "exact_duplicate", "near_duplicate", "leak", "weight", "cap", "replay")
KEPT, UNDESIRABLE, EXACT, NEAR, LEAK = range(5)


@dataclass(frozen=True, slots=True)
class PreparationResult:
    """What becomes of every accepted record."""

    features: Features
    split: NDArray[np.uint8]  # number of the side on which it stands, or would stand
    status: NDArray[np.uint8]  # place in FATES
    copies: NDArray[np.int32]  # lines of it in its split; 0 when it is left out
    duplicates: Duplicates
    leaders: NDArray[np.int32]  # of the clusters of duplicates
    leaks: list[Leak]  # by record
    replay_missing: int  # lines that the replay sources lack for their share


def prepare_records(accepted: Path, ingest: IngestParams, prepare: PrepareParams, scratch: Path) -> PreparationResult:
    """Decide about every record of `accepted`; sketches go to files in `scratch`.

    Raises:
        SplitError: If a split would be empty, or if a training record that is kept asks what evaluation asks.
    """
    features, leaders, duplicates = _deduplicate(accepted, prepare, scratch)
    rows = features.rows
    split = assign_splits(rows["bound"], compute_positions(rows["group"][find_roots(rows["group"], leaders)]), prepare)
    status = np.where(rows["usable"], KEPT, UNDESIRABLE).astype(np.uint8)
    is_duplicate = duplicates.representative >= 0
    status[is_duplicate] = np.where(duplicates.exact[is_duplicate], EXACT, NEAR)
    leaks = _decontaminate(accepted, rows, status == KEPT, split, prepare)
    status[[leak.record for leak in leaks]] = LEAK
    mixture = _mix(features, split, status, ingest, prepare)
    check_not_empty({name: int(((status == KEPT) & (split == number)).sum()) for number, name in enumerate(SPLITS)})
    if count := count_leaks(rows["question"], split, status == KEPT):
        raise SplitError(
            f"{count} training records ask exactly what evaluation asks; this is a fault of the split, report it"
        )
    copies = np.where(split == TRAIN, mixture.copies, status == KEPT).astype(np.int32)
    return PreparationResult(features, split, status, copies, duplicates, leaders, leaks, mixture.replay_missing)


def _deduplicate(
    accepted: Path, prepare: PrepareParams, scratch: Path
) -> tuple[Features, NDArray[np.int32], Duplicates]:
    count = sum(1 for _ in read_lines(accepted))
    if not count:
        raise ArtefactError(f"{accepted} is empty; run: dvc repro --force validate")
    permutations = prepare.deduplication.permutations
    with Sketches(scratch, permutations, *compute_bands(prepare.deduplication.threshold, permutations)) as sketches:
        features = compute_features(
            track_progress(read_records(accepted), "중복 · duplicates", total=count), count, prepare, sketches
        )
        leaders = find_leaders(features.rows, sketches, prepare.deduplication)
        return features, leaders, find_duplicates(features.rows, leaders, sketches, prepare.deduplication)


def _decontaminate(
    accepted: Path, rows: NDArray[np.void], kept: NDArray[np.bool_], split: NDArray[np.uint8], prepare: PrepareParams
) -> list[Leak]:
    """Return the leaks of the kept records of train and validation, in the order of the records."""
    is_template = find_templates(rows, prepare.deduplication.template_after)

    def read_selected(mask: NDArray[np.bool_], description: str) -> Iterator[tuple[int, Record]]:
        return track_progress(_read_selected(accepted, mask), description, total=int(mask.sum()))

    evaluation = split >= TEST
    item_questions = read_questions(
        read_selected(kept & evaluation, "평가 문항 · evaluation items"), is_template, prepare, include_answers=False
    )
    items = gather_items(item_questions, rows, prepare.deduplication.template_after)
    if items is None:
        return []
    training = read_questions(
        read_selected(kept & ~evaluation, "누출 · leaks"), is_template, prepare, include_answers=True
    )
    return [
        leak for questions in training for leak in find_leaks(questions, items, rows, prepare.decontamination.threshold)
    ]


def _read_selected(accepted: Path, mask: NDArray[np.bool_]) -> Iterator[tuple[int, Record]]:
    """Yield the chosen records with their numbers; the others are not even parsed."""
    for number, line in enumerate(read_lines(accepted)):
        if mask[number]:
            yield number, parse_record(json.loads(line))


def _mix(
    features: Features,
    split: NDArray[np.uint8],
    status: NDArray[np.uint8],
    ingest: IngestParams,
    prepare: PrepareParams,
) -> Mix:
    """Return the mixture of train, and write into `fate` why a record has no place in it."""
    positions = compute_unit_hash(prepare.seed, "mix", features.rows["id"])
    mixture = mix(
        (status == KEPT) & (split == TRAIN),
        features.rows["source"],
        list(features.sources),
        positions,
        ingest.sources,
        prepare.replay_ratio,
    )
    for reason, records in mixture.left_out.items():
        status[records] = STATUSES.index(reason)
    return mixture


def count_by(
    groups: NDArray[np.int32],
    kinds: NDArray[np.uint8],
    shape: tuple[int, int],
    weights: NDArray[np.int32] | None = None,
) -> NDArray[np.int64]:
    """Return how many records (or how much weight) each group has of each kind: an array of `shape`, groups x kinds."""
    counts = np.bincount(groups.astype(np.int64) * shape[1] + kinds, weights=weights, minlength=shape[0] * shape[1])
    return counts.reshape(shape).astype(np.int64)


def iter_lines(
    accepted: Path, result: PreparationResult, leave_out: Callable[[int, str], None]
) -> Iterator[tuple[int, str]]:
    """Yield the split's number and the line of every kept record, in order; further copies follow after all the first ones.

    `leave_out` is called with the number and the line of each record that is left out.
    """
    split, copies = result.split.tolist(), result.copies
    for copy_number in range(int(copies.max(initial=0))):
        for number, line in enumerate(read_lines(accepted)):
            if copies[number] > copy_number:
                yield split[number], line
            elif copy_number == 0:
                leave_out(number, line)
