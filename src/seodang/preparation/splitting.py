"""Split records by the hash of their own group, so no other record can move them.

Equal texts share a group and thus a split. Near-duplicates may have different groups. Deduplication keeps one of them,
and decontamination removes what is left of them in train, so no near-duplicate of an evaluation item is trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from seodang.config import PrepareParams
from seodang.errors import SplitError
from seodang.i18n import _
from seodang.records import Record, build_group_key

Split = Literal["train", "validation", "test", "unseen"]
SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test", "unseen")
TRAIN, VALIDATION, TEST, UNSEEN = range(4)

# Constraints on the split of a record, whatever its hash.
ANYWHERE, NEVER_SCORED, ONLY_TEST, ONLY_UNSEEN = range(4)


def hash_group(seed: int, record: Record) -> int:
    """Return the hash of the record's group, below 2**64; `compute_positions` maps it to [0, 1)."""
    digest = hashlib.sha256(
        f"{seed}\x1f{build_group_key(record.instruction, record.input)}".encode("utf-8", "surrogatepass")
    ).digest()
    return int.from_bytes(digest[:8], "big")


def compute_positions(groups: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return the positions of the groups in [0, 1): uniform, and the same in every run."""
    return np.asarray(groups / 2.0**64)


def get_split_constraint(record: Record, prepare: PrepareParams) -> int:
    """Return the constraint on the split of a record: ANYWHERE, NEVER_SCORED, ONLY_TEST or ONLY_UNSEEN."""
    if record.cluster in prepare.held_out_clusters:
        return ONLY_UNSEEN
    if record.role == "test" or record.task in prepare.test_only_tasks:
        return ONLY_TEST
    return NEVER_SCORED if record.role == "train" else ANYWHERE


def assign_splits(
    constraints: NDArray[np.uint8], positions: NDArray[np.float64], prepare: PrepareParams
) -> NDArray[np.uint8]:
    """Return the index into SPLITS of each record, from its constraint and the position of its group."""
    held_out_ratio = prepare.test_ratio + prepare.validation_ratio
    anywhere = np.select([positions < prepare.test_ratio, positions < held_out_ratio], [TEST, VALIDATION], TRAIN)
    never_scored = np.where(positions < prepare.validation_ratio, VALIDATION, TRAIN)
    result = np.select(
        [constraints == ONLY_UNSEEN, constraints == ONLY_TEST, constraints == NEVER_SCORED],
        [UNSEEN, TEST, never_scored],
        anywhere,
    )
    return result.astype(np.uint8)


def check_not_empty(counts: Mapping[Split, int]) -> None:
    """Check that train, validation and test have records.

    Raises:
        SplitError: If one of them is empty; the message names all empty ones.
    """
    empty = [name for name in SPLITS[:UNSEEN] if not counts[name]]
    if empty:
        sizes = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise SplitError(
            _(
                "split {names} would be empty ({sizes}); give more records, or change prepare.test_ratio, "
                "prepare.validation_ratio or the role of a source",
                names=", ".join(empty),
                sizes=sizes,
            )
        )


def count_leaks(questions: NDArray[np.uint64], split: NDArray[np.uint8], kept: NDArray[np.bool_]) -> int:
    """Return the number of kept records of train and validation that have the question of an evaluation item."""
    evaluation = split >= TEST
    return int(np.isin(questions[kept & ~evaluation], questions[kept & evaluation]).sum())
