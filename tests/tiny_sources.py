"""Sources of a few rows: what params.yaml says of them, and the rows that they give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seodang.config import TableTemplate
from seodang.ingest.sources import iter_file_rows


def file_source(name: str, path: str | None, **changes: Any) -> dict[str, Any]:
    """A source of params.yaml with nothing special about it."""
    fields = {
        "name": name,
        "kind": "file",
        "path": path,
        "sha256": None,
        "format": "auto",
        "columns": None,
        "table": None,
        "language": None,
        "task": None,
        "cluster": None,
        "limit": None,
        "role": "any",
        "weight": 1.0,
        "cap": None,
        "replay": False,
        "licence": "CC0-1.0",
    }
    return {**fields, **changes}


def rows_of(
    folder: Path,
    objects: list[Any] | str,
    *,
    file: str = "data.json",
    format: Any = "auto",
    columns: Any = None,
    table: Any = None,
    limit: int = 1000,
) -> list[dict[str, Any]]:
    """The rows of a file that holds these objects, or this text."""
    path = folder / file
    path.write_text(objects if isinstance(objects, str) else json.dumps(objects, ensure_ascii=False), "utf-8")
    template = None if table is None else TableTemplate.model_validate(table)
    return list(
        iter_file_rows(
            path, file, format=format, columns=columns, table=template, name="films", max_field_characters=limit
        )
    )


def texts(rows: list[dict[str, Any]]) -> list[tuple[Any, Any, Any]]:
    return [(row["instruction"], row["input"], row["output"]) for row in rows]


def talk(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Everything that is said in a row, with who says it."""
    return [
        *((turn["role"], turn["content"]) for turn in row["turns"]),
        ("asked", row["instruction"]),
        ("answered", row["output"]),
    ]
