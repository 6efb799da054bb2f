"""Fixtures of the tests of room `preparation`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seodang.config import PrepareParams
from seodang.preparation.boilerplate import Boilerplate
from seodang.preparation.deduplication import Duplicates, find_duplicates, find_leaders
from seodang.preparation.features import Features, compute_features
from seodang.preparation.minhash import Sketches, compute_bands
from seodang.records import Record

CountPhrases = Callable[[list[Record]], Boilerplate]
FindAllDuplicates = Callable[[list[Record], PrepareParams, Path], tuple[Features, list[int], Duplicates]]


@pytest.fixture(scope="session")
def find_all_duplicates() -> FindAllDuplicates:
    """Finds the features of records, the leader of each record, and the removed duplicates; writes into a folder."""

    def find_all_duplicates(
        records: list[Record], prepare: PrepareParams, folder: Path
    ) -> tuple[Features, list[int], Duplicates]:
        folder.mkdir(parents=True, exist_ok=True)
        permutations = prepare.deduplication.permutations
        with Sketches(folder, permutations, *compute_bands(prepare.deduplication.threshold, permutations)) as sketches:
            features = compute_features(records, len(records), prepare, sketches)
            leaders = find_leaders(features.rows, sketches, prepare.deduplication)
            return features, leaders.tolist(), find_duplicates(features.rows, leaders, sketches, prepare.deduplication)

    return find_all_duplicates


@pytest.fixture(scope="session")
def count_phrases() -> CountPhrases:
    """Counts the phrases of records."""

    def count_phrases(records: list[Record]) -> Boilerplate:
        boilerplate = Boilerplate()
        for _ in boilerplate.watch(records):
            pass
        return boilerplate

    return count_phrases
