"""Rows and parameters for the tests of data, as `ingest` and params.yaml give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seodang.config import ExpectationsParams
from seodang.config.load import merge_overlay, read_yaml
from seodang.ingest.rows import FIELDS, Row

REPOSITORY = Path(__file__).resolve().parents[1]
_BARE: Row = {
    **{
        "instruction": "무엇인가요?",
        "input": "",
        "output": "답입니다.",
        "system": "",
        "turns": [],
        "rejected": "",
        "desirable": None,
        "url": "",
    },
    **{
        "language": "ko",
        "source": "films",
        "task": "t",
        "cluster": "c",
        "choices": [],
        "role": "any",
        "file": "films.json",
        "source_row": 0,
    },
    **{"format": "alpaca", "oversized": [], "original": None},
}


def row(instruction: Any = _BARE["instruction"], input: Any = "", output: Any = _BARE["output"], **changes: Any) -> Row:
    """Return a row that breaks no rule, with changes."""
    made = {**_BARE, "instruction": instruction, "input": input, "output": output, **changes}
    assert tuple(sorted(made)) == tuple(sorted(FIELDS))
    return {name: made[name] for name in FIELDS}


def shipped_expectations(**changes: Any) -> ExpectationsParams:
    """Return the shipped profile's section, laid over with changes."""
    raw = merge_overlay(read_yaml(REPOSITORY / "profiles" / "tiny.yaml")["expectations"], changes)
    return ExpectationsParams.model_validate(raw)
