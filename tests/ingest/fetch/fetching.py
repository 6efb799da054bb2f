"""Helpers to locate the files of a source."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_sources import file_source

from seodang.config import SourceParams
from seodang.errors import SourceError
from seodang.ingest.fetch.locate import locate_files

BODY = b'{"instruction": "a", "output": "b"}\n' * 400
SHA256 = hashlib.sha256(BODY).hexdigest()
SECRET = "hunter2"


def source(path: str, *, name: str = "mine", **changes: Any) -> SourceParams:
    return SourceParams.model_validate(file_source(name, path, **changes))


def locate_paths(root: Path, path: str, others: Sequence[SourceParams] = (), **changes: Any) -> list[str]:
    return [file.location for file in locate_files(source(path, **changes), root, root / "cache", others)]


def get_source_error(root: Path, path: str, **changes: Any) -> str:
    """Return the error message of a source that cannot be used."""
    with pytest.raises(SourceError) as caught:
        locate_files(source(path, **changes), root, root / "cache")
    return str(caught.value)


def read_everything(folder: Path) -> str:
    """Return all names and contents below a folder as one text."""
    return "\n".join(
        [str(path) for path in folder.rglob("*")]
        + [path.read_text("utf-8", "replace") for path in folder.rglob("*") if path.is_file()]
    )
