"""Freeze a test file: records chosen by a hash of their question, so that equal questions stay together."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any, Final

from seodang.setup.data_files import DataFile

_MARGIN: Final = 1.15  # validation may reject some test records
_MAX_SHARE: Final = 0.4  # of the questions that are tested
LEAST_ITEMS: Final = 20  # below this a verdict means nothing


def split_test_records(data: DataFile, minimum_items: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the records of the training file and of the test file, in the order of the file.

    Args:
        data: The file.
        minimum_items: Test items of each language that the gate asks for.

    """
    questions = {number: _hash_question(data, number) for number in range(len(data.rows))}
    languages: defaultdict[str, set[str]] = defaultdict(set)
    for number, digest in questions.items():
        languages[data.rows[number]["language"]].add(digest)
    test = {
        digest
        for digests in languages.values()
        for digest in sorted(digests)[: min(round(minimum_items * _MARGIN), int(len(digests) * _MAX_SHARE))]
    }
    test_rows = {data.rows[number]["source_row"] for number, digest in questions.items() if digest in test}
    known_rows = {row["source_row"] for row in data.rows}
    records = list(enumerate(data.objects))
    return (
        [record for number, record in records if number in known_rows and number not in test_rows],
        [record for number, record in records if number in test_rows],
    )


def compute_minimum_items(test_count: int, minimum_items: int) -> int:
    """Return the number of items that the gate can ask for with this many test records; at least 20."""
    return max(LEAST_ITEMS, min(minimum_items, int(test_count / _MARGIN)))


def _hash_question(data: DataFile, number: int) -> str:
    row = data.rows[number]
    question = row["turns"][0]["content"] if row["turns"] else row["instruction"]  # a conversation stays together
    return hashlib.sha256(f"{question}\x1f{row['input']}".encode("utf-8", "surrogatepass")).hexdigest()
