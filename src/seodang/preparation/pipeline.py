"""Prepare the accepted records: deduplication, splits, decontamination and mixing, in this order.

The file is read several times, each time as a stream. The passes are for the features of all records, for the
evaluation items, for the training records, and for the groups. Only arrays of fixed-size rows stay in memory.
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
from seodang.errors import SplitError
from seodang.i18n import ngettext
from seodang.io.jsonl import format_json_line, read_lines
from seodang.preparation.boilerplate import Boilerplate
from seodang.preparation.decontamination import Leak
from seodang.preparation.deduplication import Duplicates
from seodang.preparation.features import Features, compute_unit_hash
from seodang.preparation.groups import find_groups
from seodang.preparation.leak_search import deduplicate, read_selected, search_leaks
from seodang.preparation.mixing import Mix, mix
from seodang.preparation.splitting import (
    SPLITS,
    TRAIN,
    VALIDATION,
    assign_splits,
    check_not_empty,
    compute_positions,
    count_leaks,
)

# Status of a record. All but the first are reasons to leave it out, in the order of their detection.
STATUSES: Final = ("kept", "undesirable", "exact_duplicate", "near_duplicate", "leak", "weight", "cap", "replay")
KEPT, UNDESIRABLE, EXACT, NEAR, LEAK = range(5)


@dataclass(frozen=True, slots=True)
class PreparationResult:
    """The decisions about all accepted records; each array has one value per record."""

    features: Features
    split: NDArray[np.uint8]  # index into SPLITS; of a record that is left out, the split that it would have
    status: NDArray[np.uint8]  # index into STATUSES
    copies: NDArray[np.int32]  # number of lines in its split; 0: left out
    duplicates: Duplicates
    leaders: NDArray[np.int32]  # leader of the record's cluster of duplicates
    leaks: list[Leak]  # sorted by record
    groups: NDArray[np.bytes_]  # group of each evaluation item; b"" for all other records
    replay_missing: int  # lines that the replay sources lack to reach the replay ratio


def prepare_records(accepted: Path, ingest: IngestParams, prepare: PrepareParams, scratch: Path) -> PreparationResult:
    """Return the split, status and copies of every record of `accepted`; sketches go to files in `scratch`.

    Raises:
        ArtifactError: If `accepted` is empty.
        SplitError: If a split is empty, or if a kept training record has the question of an evaluation item.
    """
    boilerplate = Boilerplate()
    features, leaders, duplicates = deduplicate(accepted, prepare, boilerplate, scratch)
    rows = features.rows
    split = assign_splits(rows["constraint"], compute_positions(rows["group"]), prepare)
    status = np.where(rows["usable"], KEPT, UNDESIRABLE).astype(np.uint8)
    is_duplicate = duplicates.representative >= 0
    status[is_duplicate] = np.where(duplicates.exact[is_duplicate], EXACT, NEAR)
    leaks = _decontaminate(accepted, rows, status == KEPT, split, prepare, boilerplate, scratch)
    status[[leak.record for leak in leaks]] = LEAK
    mixture = _mix(features, split, status, ingest, prepare)
    check_not_empty({name: int(((status == KEPT) & (split == number)).sum()) for number, name in enumerate(SPLITS)})
    if count := count_leaks(rows["question"], split, status == KEPT):
        raise SplitError(
            ngettext(
                "{count} training record has exactly the text of an evaluation item; this is an error in Seodang: "
                "please report it",
                "{count} training records have exactly the text of an evaluation item; this is an error in Seodang: "
                "please report it",
                count,
            )
        )
    copies = np.where(split == TRAIN, mixture.copies, status == KEPT).astype(np.int32)
    is_item = (split != TRAIN) & (status == KEPT)
    groups = find_groups(read_selected(accepted, is_item), rows, leaders, prepare.deduplication.template_after)
    return PreparationResult(
        features, split, status, copies, duplicates, leaders, leaks, groups, mixture.replay_missing
    )


def _decontaminate(
    accepted: Path,
    rows: NDArray[np.void],
    kept: NDArray[np.bool_],
    split: NDArray[np.uint8],
    prepare: PrepareParams,
    boilerplate: Boilerplate,
    scratch: Path,
) -> list[Leak]:
    """Return the leaks of the kept records of train and validation, in the order of the records.

    The items of validation are protected from train, the other items from train and validation.
    """
    is_item, is_training = kept & (split != TRAIN), kept & (split <= VALIDATION)
    leaks = search_leaks(accepted, rows, is_item, is_training, prepare, boilerplate, scratch)
    return _select_leaks(leaks, split)


def _select_leaks(leaks: list[Leak], split: NDArray[np.uint8]) -> list[Leak]:
    """Return one leak for each pair, sorted by record, without those within validation and of items that leak."""
    pairs: dict[tuple[int, int], Leak] = {}
    for leak in leaks:
        if split[leak.record] == TRAIN or split[leak.item] > VALIDATION:
            pairs.setdefault((leak.record, leak.item), leak)
    removed = {leak.record for leak in pairs.values()}
    return [pairs[pair] for pair in sorted(pairs) if pair[1] not in removed]


def _mix(
    features: Features,
    split: NDArray[np.uint8],
    status: NDArray[np.uint8],
    ingest: IngestParams,
    prepare: PrepareParams,
) -> Mix:
    """Return the mix of train, and write the reason for zero copies of a record into `status`."""
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
    """Return the number of records (or the sum of weights) by group and kind; `shape` is (groups, kinds)."""
    counts = np.bincount(groups.astype(np.int64) * shape[1] + kinds, weights=weights, minlength=shape[0] * shape[1])
    return counts.reshape(shape).astype(np.int64)


def _add_group(line: str, group: bytes) -> str:
    """Return the line of a record with its group; other lines stay as they are."""
    return format_json_line({**json.loads(line), "group": group.decode()}, allow_nan=True) if group else line


def iter_lines(
    accepted: Path, result: PreparationResult, leave_out: Callable[[int, str], None]
) -> Iterator[tuple[int, str]]:
    """Yield the split index and the line of every kept record, in order; second copies follow after all first ones.

    Args:
        accepted: File of the accepted records.
        result: The decisions about them.
        leave_out: Called with the index and the line of each record that is left out.
    """
    split, copies = result.split.tolist(), result.copies
    for copy_number in range(int(copies.max(initial=0))):
        for number, line in enumerate(read_lines(accepted)):
            if copies[number] > copy_number:
                yield split[number], _add_group(line, result.groups[number])
            elif copy_number == 0:
                leave_out(number, line)
