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
from seodang.io.jsonl import read_lines, read_records, record_of
from seodang.io.progress import progress
from seodang.preparation.decontamination import Leak, find_leaks, gather_items, read_questions
from seodang.preparation.deduplication import Removed, choose_kept, find_leaders
from seodang.preparation.features import Traits, survey, templated, unit_hash
from seodang.preparation.minhash import Sketches, bands_for
from seodang.preparation.mixing import Mix, mix
from seodang.preparation.splitting import SPLITS, TEST, TRAIN, leaked, places, refuse_empty, roots, sides
from seodang.records import Record

# What becomes of a record; all but the first are reasons to leave it out, in the order in which they are looked for.
FATES: Final = ("kept", "undesirable", "exact_duplicate", "near_duplicate", "leak", "weight", "cap", "replay")
KEPT, UNDESIRABLE, EXACT, NEAR, LEAK = range(5)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What becomes of every accepted record."""

    traits: Traits
    split: NDArray[np.uint8]  # number of the side on which it stands, or would stand
    fate: NDArray[np.uint8]  # place in FATES
    copies: NDArray[np.int32]  # lines of it in its split; 0 when it is left out
    removed: Removed
    leaders: NDArray[np.int32]  # of the clusters of duplicates
    leaks: list[Leak]  # by record
    replay_missing: int  # lines that the replay sources lack for their share


def prepare_records(accepted: Path, ingest: IngestParams, prepare: PrepareParams, scratch: Path) -> Prepared:
    """Decide about every record of `accepted`; sketches go to files in `scratch`.

    Raises:
        SplitError: If a split would be empty, or if a training record that is kept asks what evaluation asks.
    """
    traits, leaders, removed = _duplicates(accepted, prepare, scratch)
    rows = traits.rows
    split = sides(rows["bound"], places(rows["group"][roots(rows["group"], leaders)]), prepare)
    fate = np.where(rows["usable"], KEPT, UNDESIRABLE).astype(np.uint8)
    gone = removed.kept >= 0
    fate[gone] = np.where(removed.exact[gone], EXACT, NEAR)
    found = _leaks(accepted, rows, fate == KEPT, split, prepare)
    fate[[leak.record for leak in found]] = LEAK
    mixture = _mix(traits, split, fate, ingest, prepare)
    refuse_empty({name: int(((fate == KEPT) & (split == number)).sum()) for number, name in enumerate(SPLITS)})
    if count := leaked(rows["question"], split, fate == KEPT):
        raise SplitError(
            f"{count} training records ask exactly what evaluation asks; this is a fault of the split, report it"
        )
    copies = np.where(split == TRAIN, mixture.copies, fate == KEPT).astype(np.int32)
    return Prepared(traits, split, fate, copies, removed, leaders, found, mixture.replay_missing)


def _duplicates(accepted: Path, prepare: PrepareParams, scratch: Path) -> tuple[Traits, NDArray[np.int32], Removed]:
    count = sum(1 for _ in read_lines(accepted))
    if not count:
        raise ArtefactError(f"{accepted} is empty; run: dvc repro --force validate")
    permutations = prepare.duplicates.permutations
    with Sketches(scratch, permutations, *bands_for(prepare.duplicates.threshold, permutations)) as sketches:
        traits = survey(progress(read_records(accepted), "중복 · duplicates", total=count), count, prepare, sketches)
        leaders = find_leaders(traits.rows, sketches, prepare.duplicates)
        return traits, leaders, choose_kept(traits.rows, leaders, sketches, prepare.duplicates)


def _leaks(
    accepted: Path, rows: NDArray[np.void], kept: NDArray[np.bool_], split: NDArray[np.uint8], prepare: PrepareParams
) -> list[Leak]:
    """Return the leaks of the kept records of train and validation, in the order of the records."""
    bare = templated(rows, prepare.duplicates.template_after)

    def only(chosen: NDArray[np.bool_], doing: str) -> Iterator[tuple[int, Record]]:
        return progress(_chosen(accepted, chosen), doing, total=int(chosen.sum()))

    evaluation = split >= TEST
    asked = read_questions(only(kept & evaluation, "평가 문항 · evaluation items"), bare, prepare, answers=False)
    items = gather_items(asked, rows, prepare.duplicates.template_after)
    if items is None:
        return []
    training = read_questions(only(kept & ~evaluation, "누출 · leaks"), bare, prepare, answers=True)
    return [leak for questions in training for leak in find_leaks(questions, items, rows, prepare.leaks.threshold)]


def _chosen(accepted: Path, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, Record]]:
    """Yield the chosen records with their numbers; the others are not even parsed."""
    for number, line in enumerate(read_lines(accepted)):
        if chosen[number]:
            yield number, record_of(json.loads(line))


def _mix(
    traits: Traits, split: NDArray[np.uint8], fate: NDArray[np.uint8], ingest: IngestParams, prepare: PrepareParams
) -> Mix:
    """Return the mixture of train, and write into `fate` why a record has no place in it."""
    at = unit_hash(prepare.seed, "mix", traits.rows["id"])
    mixture = mix(
        (fate == KEPT) & (split == TRAIN),
        traits.rows["source"],
        list(traits.sources),
        at,
        ingest.sources,
        prepare.replay_share,
    )
    for reason, records in mixture.left_out.items():
        fate[records] = FATES.index(reason)
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


def lines_to_write(
    accepted: Path, prepared: Prepared, leave_out: Callable[[int, str], None]
) -> Iterator[tuple[int, str]]:
    """Yield the split's number and the line of every kept record, in order; further copies follow after all the first ones.

    `leave_out` is called with the number and the line of each record that is left out.
    """
    split, copies = prepared.split.tolist(), prepared.copies
    for turn in range(int(copies.max(initial=0))):
        for number, line in enumerate(read_lines(accepted)):
            if copies[number] > turn:
                yield split[number], line
            elif turn == 0:
                leave_out(number, line)
