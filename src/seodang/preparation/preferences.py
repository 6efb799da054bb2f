"""Prepare preference records: deduplication, decontamination and a split that keeps similar questions together.

The records are compared with the evaluation items of the instruction splits and of the task files, which stay as they
are. A preference record that leaks an item is left out, as a training record would be. Preference records whose
questions are equal or similar form a group, and a group is held out as a whole. So the held-out accuracy is about new
questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from seodang.config import PrepareParams
from seodang.errors import SplitError
from seodang.i18n import _
from seodang.io.jsonl import Writer, read_lines, read_records, serialize_record, write_records
from seodang.preparation.boilerplate import Boilerplate
from seodang.preparation.decontamination import Leak
from seodang.preparation.deduplication import Duplicates
from seodang.preparation.features import Features, compute_unit_hash
from seodang.preparation.groups import name_components
from seodang.preparation.leak_search import deduplicate, find_similar_questions, search_leaks
from seodang.records import Record

REASONS: Final = ("exact_duplicate", "near_duplicate", "leak")
_ITEM, _PREFERENCE, _BAD = "item", "preference", "bad"  # tasks and clusters of the compared records


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a preference record is left out."""

    reason: str  # of REASONS
    of: str  # id of the record or evaluation item that it repeats or leaks
    similarity: float


@dataclass(frozen=True, slots=True)
class PreferenceSplit:
    """The decision about each preference record, in the order of the file."""

    held_out: NDArray[np.bool_]
    groups: NDArray[np.bytes_]  # of similar questions, named by their smallest record id
    left_out: dict[int, LeftOut]  # index of the record


def split_preferences(
    preferences: Path, item_files: Sequence[Path], prepare: PrepareParams, scratch: Path
) -> PreferenceSplit:
    """Return the split of the preference records.

    Args:
        preferences: Accepted preference records.
        item_files: Evaluation items: the validation, test and unseen split, and those of task files.
        prepare: Thresholds, seed and share of the held-out records.
        scratch: Folder for temporary files.

    Raises:
        SplitError: If no record is left to train on, or none is held out.
    """
    compared = scratch / "compared.jsonl"
    write_records(compared, _iter_compared(preferences, item_files))
    boilerplate = Boilerplate()
    # Bad answers are a pool of their own: a good and a bad answer are no duplicates, however similar they are.
    prepare = prepare.model_copy(update={"held_out_clusters": [_BAD], "test_only_tasks": []})
    features, _leaders, duplicates = deduplicate(compared, prepare, boilerplate, scratch)
    rows = features.rows
    is_preference = rows["task"] == list(features.tasks).index(_PREFERENCE)
    first = int(np.flatnonzero(is_preference)[0])
    repeated = [number for number in np.flatnonzero(duplicates.representative >= 0).tolist() if number >= first]
    is_kept = is_preference.copy()
    is_kept[repeated] = False
    leaks = search_leaks(compared, rows, ~is_preference, is_kept, prepare, boilerplate, scratch)
    is_kept[[leak.record for leak in leaks]] = False
    similar = find_similar_questions(compared, rows, is_kept, prepare, boilerplate)
    groups = name_components(rows["id"], [(record, number) for number, pair in enumerate(similar) for record in pair])
    held_out = compute_unit_hash(prepare.seed, "preferences", groups) < prepare.preferences_test_ratio
    _check_sizes(int((is_kept & ~held_out).sum()), int((is_kept & held_out).sum()))
    return PreferenceSplit(held_out[first:], groups[first:], _explain(features, duplicates, repeated, leaks, first))


def _iter_compared(preferences: Path, item_files: Sequence[Path]) -> Iterator[Record]:
    """Yield the evaluation items and then the preference records; roles keep the two sides apart."""
    for file in item_files:
        for record in read_records(file):
            yield replace(record, role="test", task=_ITEM, cluster=_ITEM)
    for record in read_records(preferences):
        # A record with the mark of a bad answer takes no part in the comparison, so the cluster says it instead.
        cluster = _BAD if record.desirable is False else _PREFERENCE
        yield replace(record, role="train", task=_PREFERENCE, cluster=cluster, desirable=None)


def _explain(
    features: Features, duplicates: Duplicates, repeated: list[int], leaks: list[Leak], first: int
) -> dict[int, LeftOut]:
    """Return why records are left out, by their index among the preference records."""
    ids = features.rows["id"]
    result = {
        leak.record - first: LeftOut("leak", ids[leak.item].decode(), leak.overlap)
        for leak in sorted(leaks, key=lambda leak: (leak.overlap, -leak.item))
    }
    for number in repeated:
        reason = "exact_duplicate" if duplicates.exact[number] else "near_duplicate"
        kept = ids[duplicates.representative[number]].decode()
        result[number - first] = LeftOut(reason, kept, float(duplicates.similarity[number]))
    return result


def _check_sizes(train: int, test: int) -> None:
    if not train or not test:
        raise SplitError(
            _(
                "of the preference records {train} would be trained on and {test} held out; give more records to "
                "align.sources, or change prepare.preferences_test_ratio",
                train=train,
                test=test,
            )
        )


@dataclass(slots=True)
class PreferenceTally:
    """Counts of the preference records, for the report."""

    sizes: Counter[str] = field(default_factory=Counter)  # records: train, test, and the reasons for leaving them out
    kinds: dict[str, Counter[str]] = field(default_factory=lambda: {"train": Counter(), "test": Counter()})
    languages: dict[str, Counter[str]] = field(default_factory=lambda: {"train": Counter(), "test": Counter()})
    tasks: dict[str, Counter[str]] = field(default_factory=lambda: {"train": Counter(), "test": Counter()})
    sources: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, record: Record, place: str) -> None:
        """Count a record; `place` is train, test or a reason."""
        self.sizes[place] += 1
        self.sources.setdefault(record.source, Counter())[place] += 1
        if place in self.kinds:
            self.kinds[place][classify_preference(record)] += 1
            self.languages[place][record.language] += 1
            self.tasks[place][record.task] += 1

    def build_report(self) -> dict[str, Any]:
        """Return the counts as JSON values; train, test and the records that are left out add up to all records."""
        return {
            "records": self.sizes.total(),
            "train": self.sizes["train"],
            "test": self.sizes["test"],
            "left_out": {reason: self.sizes[reason] for reason in REASONS},
            "by_source": {name: dict(sorted(counts.items())) for name, counts in self.sources.items()},
            **{
                name: {place: dict(sorted(counts.items())) for place, counts in by_place.items()}
                for name, by_place in (("kinds", self.kinds), ("languages", self.languages), ("tasks", self.tasks))
            },
        }


def classify_preference(record: Record) -> str:
    """Return the kind of a preference record: pair, good or bad."""
    return "pair" if record.rejected else "good" if record.desirable else "bad"


def write_preferences(
    preferences: Path, split: PreferenceSplit, writers: Mapping[str, Writer], tally: PreferenceTally
) -> None:
    """Write each preference record to train, test or left_out, and count it; held-out records name their group."""
    for number, (line, record) in enumerate(zip(read_lines(preferences), read_records(preferences), strict=True)):
        place = "test" if split.held_out[number] else "train"
        if left_out := split.left_out.get(number):
            place = left_out.reason
            location = {"source": record.source, "file": record.file, "source_row": record.source_row}
            writers["left_out"].write({"id": record.id, **asdict(left_out), **location})
        elif place == "test":
            writers[place].write(serialize_record(replace(record, group=split.groups[number].decode())))
        else:
            writers[place].write_line(line)
        tally.add(record, place)
