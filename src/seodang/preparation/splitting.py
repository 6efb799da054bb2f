"""Split by hash: records added behind the others move nobody, and one text or near-duplicate never stands on two sides."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from seodang.config import PrepareParams
from seodang.errors import SplitError
from seodang.records import Record

Split = Literal["train", "validation", "test", "unseen"]
SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test", "unseen")
TRAIN, VALIDATION, TEST, UNSEEN = range(4)

# Where a record may stand whatever its hash.
ANYWHERE, NEVER_SCORED, ONLY_TEST, ONLY_UNSEEN = range(4)

_TEXT = re.compile(r"\s|\d")


def is_text(input: str) -> bool:
    """Return whether an input is a text or a number, and not one word that names a fact."""
    return bool(_TEXT.search(input))


def build_group_key(record: Record) -> str:
    """Return what must stay on one side of the split.

    An input that is a text or a number stays together whatever is asked about it.
    A single word only names a fact (the opposite of "big"), which nobody can work
    out unseen: there the question's wording is what is held out.
    """
    question = record.input if is_text(record.input) else f"{record.instruction}\x1f{record.input}"
    return "".join(question.casefold().split()) if record.input else question


def hash_group(seed: int, record: Record) -> int:
    """Return the number of the record's group, below 2**64; it gives the group's place, too."""
    digest = hashlib.sha256(f"{seed}\x1f{build_group_key(record)}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def compute_positions(groups: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return the groups' places on [0, 1), uniform and the same for ever."""
    return np.asarray(groups / 2.0**64)


def get_split_constraint(record: Record, prepare: PrepareParams) -> int:
    """Return where a record may stand: ANYWHERE, NEVER_SCORED, ONLY_TEST or ONLY_UNSEEN."""
    if record.cluster in prepare.held_out_clusters:
        return ONLY_UNSEEN
    if record.role == "test" or record.task in prepare.test_only_tasks:
        return ONLY_TEST
    return NEVER_SCORED if record.role == "train" else ANYWHERE


def find_roots(groups: NDArray[np.uint64], leaders: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return for each record the earlier one (or itself) whose group gives its side.

    The first record of a group stands where its duplicates' leader stands, or else leads; the rest of the group follows it.
    Only earlier records decide, so nobody moves when records are added behind all others. One that is added to an earlier source
    and is nearly a later record takes that one along.
    """
    _, firsts, members = np.unique(groups, return_index=True, return_inverse=True)
    first = firsts[members].astype(np.int32)
    parents = np.where(first != np.arange(len(groups)), first, leaders)
    while (further := parents[parents]).tobytes() != parents.tobytes():
        parents = further
    return parents


def assign_splits(
    constraints: NDArray[np.uint8], positions: NDArray[np.float64], prepare: PrepareParams
) -> NDArray[np.uint8]:
    """Return the number of each record's split, from where it may stand and its group's place."""
    held_out_ratio = prepare.test_ratio + prepare.validation_ratio
    anywhere = np.select([positions < prepare.test_ratio, positions < held_out_ratio], [TEST, VALIDATION], TRAIN)
    never_scored = np.where(positions < prepare.validation_ratio, VALIDATION, TRAIN)
    result = np.select(
        [constraints == ONLY_UNSEEN, constraints == ONLY_TEST, constraints == NEVER_SCORED],
        [UNSEEN, TEST, never_scored],
        anywhere,
    )
    return result.astype(np.uint8)


def assign_split(record: Record, prepare: PrepareParams) -> Split:
    """Return the side on which a record stands that duplicates no other."""
    positions = compute_positions(np.array([hash_group(prepare.seed, record)], dtype=np.uint64))
    splits = assign_splits(np.array([get_split_constraint(record, prepare)], dtype=np.uint8), positions, prepare)
    return SPLITS[int(splits[0])]


def check_not_empty(counts: Mapping[Split, int]) -> None:
    """Stop when there is nothing to train on, to validate with or to test.

    Raises:
        SplitError: If train, validation or test is empty; all empty ones are named.
    """
    empty = [name for name in SPLITS[:UNSEEN] if not counts[name]]
    if empty:
        sizes = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise SplitError(
            f"split {' and '.join(empty)} would be empty ({sizes}); give more records, or change prepare.test_ratio, prepare.validation_ratio or a source's role"
        )


def count_leaks(questions: NDArray[np.uint64], split: NDArray[np.uint8], kept: NDArray[np.bool_]) -> int:
    """Return how many kept records of train and validation ask exactly what an evaluation item asks."""
    evaluation = split >= TEST
    return int(np.isin(questions[kept & ~evaluation], questions[kept & evaluation]).sum())
