"""Fixtures of the tests that read records of a format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from seodang.config import TableTemplate
from seodang.ingest.file_rows import iter_file_rows

AnyRow = dict[str, Any]


class ReadRows(Protocol):
    """Returns the rows of a file that holds these objects or this text."""

    def __call__(
        self,
        folder: Path,
        objects: list[Any] | str,
        *,
        file: str = "data.json",
        format: Any = "auto",
        columns: Any = None,
        table: Any = None,
        limit: int = 1000,
    ) -> list[AnyRow]: ...


@pytest.fixture(scope="session")
def read_rows() -> ReadRows:
    def read_rows(
        folder: Path,
        objects: list[Any] | str,
        *,
        file: str = "data.json",
        format: Any = "auto",
        columns: Any = None,
        table: Any = None,
        limit: int = 1000,
    ) -> list[AnyRow]:
        path = folder / file
        path.write_text(objects if isinstance(objects, str) else json.dumps(objects, ensure_ascii=False), "utf-8")
        template = None if table is None else TableTemplate.model_validate(table)
        rows = iter_file_rows(
            path, file, format=format, columns=columns, table=template, name="films", max_field_characters=limit
        )
        return list(rows)

    return read_rows


@pytest.fixture(scope="session")
def get_texts() -> Callable[[list[AnyRow]], list[tuple[Any, Any, Any]]]:
    """Gets instruction, input and output of each row."""
    return lambda rows: [(row["instruction"], row["input"], row["output"]) for row in rows]


@pytest.fixture(scope="session")
def list_messages() -> Callable[[AnyRow], list[tuple[str, str]]]:
    """Lists all messages of a row with their roles."""
    return lambda row: [
        *((turn["role"], turn["content"]) for turn in row["turns"]),
        ("question", row["instruction"]),
        ("answer", row["output"]),
    ]
