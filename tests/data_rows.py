"""Rows and parameters for tests of the data stages, as `ingest` and params.yaml supply them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seodang.config import ExpectationsParams
from seodang.config.load import merge_overlay
from seodang.config.profiles import read_starter
from seodang.ingest.rows import FIELDS, Row

REPOSITORY = Path(__file__).resolve().parents[1]
_ROW: Row = {
    "instruction": "무엇인가요?",
    "input": "",
    "output": "답입니다.",
    "system": "",
    "turns": [],
    "rejected": "",
    "desirable": None,
    "url": "",
    "language": "ko",
    "source": "films",
    "task": "t",
    "cluster": "c",
    "choices": [],
    "role": "any",
    "file": "films.json",
    "source_row": 0,
    "format": "alpaca",
    "oversized": [],
    "original": None,
}


def row(instruction: Any = _ROW["instruction"], input: Any = "", output: Any = _ROW["output"], **changes: Any) -> Row:
    """Return a row that violates no rule, with changes."""
    fields = {**_ROW, "instruction": instruction, "input": input, "output": output, **changes}
    assert tuple(sorted(fields)) == tuple(sorted(FIELDS))
    return {name: fields[name] for name in FIELDS}


def shipped_expectations(**changes: Any) -> ExpectationsParams:
    """Return section expectations of the shipped params.yaml, overlaid with changes."""
    return ExpectationsParams.model_validate(merge_overlay(read_starter()["expectations"], changes))
