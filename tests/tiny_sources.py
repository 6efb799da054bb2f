"""Small sources: their parameters and their rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seodang.config import TableTemplate
from seodang.ingest.sources import iter_file_rows


def file_source(name: str, path: str | None, **changes: Any) -> dict[str, Any]:
    """Return a source of params.yaml with default values."""
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
    """Return the rows of a file that holds these objects or this text."""
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


def format_dialogue(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return all messages of a row with their roles."""
    return [
        *((turn["role"], turn["content"]) for turn in row["turns"]),
        ("question", row["instruction"]),
        ("answer", row["output"]),
    ]
