"""The passes over a file of records that find its duplicates and its leaks; the file is read as a stream each time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from seodang.config import PrepareParams
from seodang.errors import ArtifactError
from seodang.i18n import _
from seodang.io.jsonl import parse_record, read_lines, read_records
from seodang.io.progress import track_progress
from seodang.preparation.boilerplate import Boilerplate
from seodang.preparation.decontamination import Leak, find_leaks
from seodang.preparation.deduplication import Duplicates, find_duplicates, find_leaders
from seodang.preparation.evaluation_items import gather_items
from seodang.preparation.features import Features, compute_features, find_templates
from seodang.preparation.minhash import Sketches, compute_bands
from seodang.preparation.questions import Questions, read_questions
from seodang.preparation.quotes import QuoteKind, drop_boilerplate, find_quotes, gather_needles
from seodang.preparation.rewording import RewordingSearch
from seodang.records import Record

_CHUNK: Final = 500  # training records compared with the evaluation items at a time


def deduplicate(
    accepted: Path, prepare: PrepareParams, boilerplate: Boilerplate, scratch: Path
) -> tuple[Features, NDArray[np.int32], Duplicates]:
    """Return features, leaders of the clusters and duplicates of the records of a file.

    Raises:
        ArtifactError: If the file is empty.
    """
    count = sum(1 for line in read_lines(accepted))
    if not count:
        raise ArtifactError(_("{path} is empty; run: dvc repro --force validate", path=accepted))
    permutations = prepare.deduplication.permutations
    with Sketches(scratch, permutations, *compute_bands(prepare.deduplication.threshold, permutations)) as sketches:
        records = track_progress(read_records(accepted), _("finding duplicates"), total=count)
        features = compute_features(boilerplate.watch(records), count, prepare, sketches)
        leaders = find_leaders(features.rows, sketches, prepare.deduplication)
        return features, leaders, find_duplicates(features.rows, leaders, sketches, prepare.deduplication)


def search_leaks(
    accepted: Path,
    rows: NDArray[np.void],
    is_item: NDArray[np.bool_],
    is_training: NDArray[np.bool_],
    prepare: PrepareParams,
    boilerplate: Boilerplate,
    scratch: Path,
) -> list[Leak]:
    """Return all leaks of evaluation items in training records; a pair may occur several times.

    Args:
        accepted: File of the records.
        rows: Features of all its records.
        is_item: Which of them are evaluation items.
        is_training: Which of them are searched for leaks.
        prepare: Lengths and thresholds.
        boilerplate: Knows the common phrases, which are left out.
        scratch: Folder for temporary files.
    """
    is_template = find_templates(rows, prepare.deduplication.template_after)
    records = list(
        track_progress(read_selected(accepted, is_item), _("reading evaluation items"), total=int(is_item.sum()))
    )
    item_questions = read_questions(iter(records), is_template, prepare, boilerplate, include_answers=False)
    items = gather_items(item_questions, rows, prepare.deduplication.template_after)
    if items is None:
        return []
    needles = gather_needles(records, rows, is_template, boilerplate)
    rewordings = RewordingSearch(records, rows, is_template, prepare.deduplication, boilerplate, scratch)
    leaks: list[Leak] = []
    quotes: list[tuple[QuoteKind, int, int]] = []
    training = track_progress(read_selected(accepted, is_training), _("finding leaks"), total=int(is_training.sum()))
    while chunk := list(itertools.islice(training, _CHUNK)):
        for questions in read_questions(iter(chunk), is_template, prepare, boilerplate, include_answers=True):
            leaks += find_leaks(questions, items, rows, prepare.decontamination.threshold)
        quotes += find_quotes(chunk, needles, rows, boilerplate)
        rewordings.add(chunk)
    quotes = drop_boilerplate(quotes, prepare.deduplication.template_after)
    leaks += [Leak(item, record, kind, 1.0) for kind, record, item in quotes]
    return leaks + [Leak(item, record, "reworded", overlap) for record, item, overlap in rewordings.find()]


def find_similar_questions(
    accepted: Path,
    rows: NDArray[np.void],
    mask: NDArray[np.bool_],
    prepare: PrepareParams,
    boilerplate: Boilerplate,
) -> list[tuple[int, int]]:
    """Return the pairs of selected records whose questions are equal, near-duplicates or share a long n-gram."""
    is_template = find_templates(rows, prepare.deduplication.template_after)

    def read() -> Iterator[Questions]:
        records = read_selected(accepted, mask)
        return read_questions(records, is_template, prepare, boilerplate, include_answers=False)

    items = gather_items(read(), rows, prepare.deduplication.template_after)
    if items is None:
        return []
    threshold = prepare.decontamination.threshold
    leaks = (leak for questions in read() for leak in find_leaks(questions, items, rows, threshold))
    return sorted({(leak.record, leak.item) for leak in leaks if leak.record != leak.item})


def read_selected(accepted: Path, mask: NDArray[np.bool_]) -> Iterator[tuple[int, Record]]:
    """Yield the selected records with their indices; other lines are not parsed."""
    for number, line in enumerate(read_lines(accepted)):
        if mask[number]:
            yield number, parse_record(json.loads(line))
