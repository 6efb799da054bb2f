"""Fixtures of the tests that locate the files of a source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from tests.fixtures.rows import BuildFileSource

from seodang.config import SourceParams
from seodang.errors import SourceError
from seodang.ingest.fetch.locate import locate_files


class BuildSource(Protocol):
    """Returns a source of a path, with changes."""

    def __call__(self, path: str, *, name: str = "mine", **changes: Any) -> SourceParams: ...


class LocatePaths(Protocol):
    """Returns the locations of the files of a source, of which other sources may name some."""

    def __call__(self, root: Path, path: str, others: Sequence[SourceParams] = (), **changes: Any) -> list[str]: ...


class GetSourceError(Protocol):
    """Returns the error message of a source that cannot be used."""

    def __call__(self, root: Path, path: str, **changes: Any) -> str: ...


@pytest.fixture(scope="session")
def build_source(build_file_source: BuildFileSource) -> BuildSource:
    return lambda path, *, name="mine", **changes: SourceParams.model_validate(build_file_source(name, path, **changes))


@pytest.fixture(scope="session")
def locate_paths(build_source: BuildSource) -> LocatePaths:
    return lambda root, path, others=(), **changes: [
        file.location for file in locate_files(build_source(path, **changes), root, root / "cache", others)
    ]


@pytest.fixture(scope="session")
def get_source_error(build_source: BuildSource) -> GetSourceError:
    def get_source_error(root: Path, path: str, **changes: Any) -> str:
        with pytest.raises(SourceError) as caught:
            locate_files(build_source(path, **changes), root, root / "cache")
        return str(caught.value)

    return get_source_error


@pytest.fixture(scope="session")
def read_all() -> Callable[[Path], str]:
    """Reads all names and contents below a folder as one text."""
    return lambda folder: "\n".join(
        [str(path) for path in folder.rglob("*")]
        + [path.read_text("utf-8", "replace") for path in folder.rglob("*") if path.is_file()]
    )
