"""Split by hash: adding records moves nobody, and one text never stands on two sides."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Literal

from seodang.errors import SplitError
from seodang.params import PrepareParams
from seodang.records import Record

Split = Literal["train", "validation", "test", "unseen"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test", "unseen")

_TEXT = re.compile(r"\s|\d")


def group_of(record: Record) -> str:
    """Return what must stay on one side of the split.

    An input that is a text or a number stays together whatever is asked about it.
    A single word only names a fact (the opposite of "big"), which nobody can work
    out unseen: there the question's wording is what is held out.
    """
    asked = record.input if _TEXT.search(record.input) else f"{record.instruction}\x1f{record.input}"
    return "".join(asked.casefold().split()) if record.input else asked


def position(seed: int, group: str) -> float:
    """Return the group's place on [0, 1), uniform and the same for ever."""
    digest = hashlib.sha256(f"{seed}\x1f{group}".encode("utf-8", "surrogatepass")).digest()
    return float(int.from_bytes(digest[:8], "big") / 2**64)


def split_of(record: Record, prepare: PrepareParams) -> Split:
    """Return the side on which a record stands."""
    if record.cluster in prepare.held_out_clusters:
        return "unseen"
    if record.role == "test" or record.task in prepare.test_only_tasks:
        return "test"
    if record.role == "train":
        return "validation" if position(prepare.seed, group_of(record)) < prepare.validation_share else "train"
    place = position(prepare.seed, group_of(record))
    if place < prepare.test_share:
        return "test"
    return "validation" if place < prepare.test_share + prepare.validation_share else "train"


def split_records(records: Iterable[Record], prepare: PrepareParams) -> dict[Split, list[Record]]:
    """Return the records by split, in order; texts that evaluation asks about leave training.

    Raises:
        SplitError: If train, validation or test would be empty; all empty ones are named.
    """
    splits: dict[Split, list[Record]] = {name: [] for name in SPLITS}
    for record in records:
        splits[split_of(record, prepare)].append(record)
    asked = {_asked(record) for name in ("test", "unseen") for record in splits[name]}
    for name in ("train", "validation"):
        splits[name] = [record for record in splits[name] if _asked(record) not in asked]
    empty = [name for name in ("train", "validation", "test") if not splits[name]]
    if empty:
        counts = ", ".join(f"{name} {len(rows)}" for name, rows in splits.items())
        raise SplitError(f"split {' and '.join(empty)} would be empty ({counts}); give more records, or change prepare.test_share, prepare.validation_share or a source's role")
    return splits


def leaked(splits: dict[Split, list[Record]]) -> int:
    """Return how many training records ask exactly what an evaluation item asks."""
    asked = {_asked(record) for name in ("test", "unseen") for record in splits[name]}
    return sum(_asked(record) in asked for record in splits["train"])


def _asked(record: Record) -> str:
    """Return the question without blanks and case."""
    return "".join(f"{record.instruction}\x1f{record.input}".casefold().split())
