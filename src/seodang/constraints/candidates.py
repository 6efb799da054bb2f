"""The records that may get constraints: short, clean ones that no evaluation holds out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from seodang.config import Format, PrepareParams
from seodang.constraints.build import ConstrainedRecord, hash_record, iter_constrained
from seodang.ingest.file_rows import iter_file_rows
from seodang.ingest.rows import TEXTS, Row
from seodang.preparation.splitting import TRAIN, assign_splits, compute_positions, get_split_constraint, hash_group
from seodang.records import Record, detect_language, make_record

_MAX_INSTRUCTION: Final = 120  # characters
_MIN_ANSWER: Final = 12
_MAX_ANSWER: Final = {"ko": 220, "en": 330}
_MAX_INPUT: Final = 150
_INPUT_SHARE: Final = 0.25  # of the records with an input; IFEval's prompts have none
_UNCLEAN: Final = frozenset('<>[]{}"*#`|\\')
_END_MARKS: Final = (".", "!", "?", "。")
_MAX_FIELD: Final = 10_000
_NAME: Final = "constrained"


def read_candidates(paths: Iterable[Path], format: Format, prepare: PrepareParams, seed: int) -> list[Record]:
    """Return the records of files that may get constraints, in an order given by seed and content.

    Args:
        paths: Data files.
        format: Their format; "auto" detects it.
        prepare: Which records it holds out for validation and test, by their content; they are left out.
        seed: Of the order.

    Raises:
        SourceError: If a file cannot be used.
    """
    records = [
        record
        for path in paths
        for row in _iter_rows(path, format)
        if (record := _build_record(row)) is not None and _suits(record, seed) and not _is_held_out(record, prepare)
    ]
    return sorted(records, key=lambda record: hash_record(seed, record))


def _iter_rows(path: Path, format: Format) -> Iterator[Row]:
    return iter_file_rows(
        path, path.name, format=format, columns=None, table=None, name=_NAME, max_field_characters=_MAX_FIELD
    )


def _build_record(row: Row) -> Record | None:
    """Return the record of a row; None if it has an error, a mark or turns."""
    instruction, input, output = (row[name] for name in TEXTS)
    if row["turns"] or row["marks"] or not all(isinstance(text, str) for text in (instruction, input, output)):
        return None
    return make_record(instruction=instruction, input=input, output=output, source=_NAME, task=_NAME, cluster="")


def _suits(record: Record, seed: int) -> bool:
    """Return whether a record is short, of one language and free of markup, with an answer that ends as a sentence."""
    language = detect_language(record.output)
    return (
        len(record.instruction) <= _MAX_INSTRUCTION
        and _MIN_ANSWER <= len(record.output) <= _MAX_ANSWER[language]
        and language == detect_language(record.instruction)
        and record.output.endswith(_END_MARKS)
        and "\n" not in record.instruction
        and not _UNCLEAN.intersection(record.instruction + record.output)
        and (not record.input or _suits_with_input(record, seed))
    )


def _suits_with_input(record: Record, seed: int) -> bool:
    return len(record.input) <= _MAX_INPUT and int(hash_record(seed, record)[:4], 16) < _INPUT_SHARE * 2**16


def _is_held_out(record: Record, prepare: PrepareParams) -> bool:
    positions = compute_positions(np.array([hash_group(prepare.seed, record)], dtype=np.uint64))
    constraints = np.array([get_split_constraint(record, prepare)], dtype=np.uint8)
    return bool(assign_splits(constraints, positions, prepare)[0] != TRAIN)


def constrain_records(candidates: Sequence[Record], limit: int, seed: int) -> list[ConstrainedRecord]:
    """Return up to `limit` records with constraints that their answers meet.

    Args:
        candidates: As `read_candidates` returns them.
        limit: Maximum number of records.
        seed: Of the selection of constraints.
    """
    return [constrained for _record, constrained in islice(iter_constrained(candidates, seed), limit)]
