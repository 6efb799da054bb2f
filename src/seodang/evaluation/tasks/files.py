"""Data files of a task file: names with `*`, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seodang.evaluation.tasks.spec import FileData, TaskSpec
from seodang.i18n import _


def is_pattern(file: str) -> bool:
    """Return whether a name in a task file stands for several files."""
    return "*" in file


def list_files(folder: Path, file: str) -> list[Path]:
    """Return the files of a name in the data folder, sorted; [] if there is none."""
    paths = sorted(folder.glob(file)) if is_pattern(file) else [folder / file]
    return [path for path in paths if path.is_file()]


def list_names(data: FileData) -> list[str]:
    """Return the names of the files that a task reads."""
    return [name for name in (data.file, data.few_shot_file) if name is not None]


def find_missing(spec: TaskSpec, folders: Sequence[Path]) -> list[str]:
    """Return the names of a task file that no folder has a file for."""
    if not isinstance(spec.data, FileData):
        return []
    return [name for name in list_names(spec.data) if not any(list_files(folder, name) for folder in folders)]


def describe_missing(spec: TaskSpec, files: Sequence[str], folder: Path) -> str:
    """Return which files of a task are missing, and the commands that fetch them.

    Args:
        spec: Of the task.
        files: Names without a file, at least one.
        folder: The data folder that they belong in.
    """
    return "\n    ".join(_iter_lines(spec, files, folder))


def _iter_lines(spec: TaskSpec, files: Sequence[str], folder: Path) -> Iterator[str]:
    names = ", ".join(files)
    if spec.source is None:
        yield _("{task}: {files} not found in {folder}", task=spec.name, files=names, folder=folder)
        return
    yield _(
        "{task}: {files} not found in {folder}; licence: {licence}",
        task=spec.name,
        files=names,
        folder=folder,
        licence=spec.source.licence or _("none stated"),
    )
    commands = list(spec.source.iter_fetch_commands(files, folder.as_posix()))
    yield from commands
    if not commands:
        yield _("get the data from {page}", page=spec.source.page)
