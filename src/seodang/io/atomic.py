"""Write files and folders atomically, and compute checksums."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from seodang.io.named_file import flush_to_disk, open_named

_CLOCK_SLACK: Final = 2.0  # seconds; the kernel rounds the boot time, from which start times count


def write_atomically(path: Path, chunks: Iterable[str]) -> None:
    """Write text to a temporary file, flush it to disk, then rename it: no reader ever sees a partial file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temp_path = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open_named(temp_path, "wb", path) as file:
            file.writelines(encode_text(chunk) for chunk in chunks)
            flush_to_disk(file, path)
        temp_path.replace(path)
    finally:
        temp_path.unlink(missing_ok=True)


def encode_text(text: str) -> bytes:
    """Return text as UTF-8; lone surrogates are kept."""
    return text.encode("utf-8", "surrogatepass")


def remove_stale_parts(path: Path) -> None:
    """Delete the temporary files and folders that killed writers of `path` left beside it."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        if is_stale_part(part):
            shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)


def is_stale_part(part: Path) -> bool:
    """Return whether a path is a temporary file or folder of this module whose writer no longer runs.

    In a container, another process soon has the id of a killed one: it started after the last change of the part.
    """
    pid = part.name.removesuffix(".part").rpartition(".")[2]
    if not (part.name.startswith(".") and part.name.endswith(".part") and pid.isdecimal()):
        return False
    import psutil

    try:
        return bool(psutil.Process(int(pid)).create_time() > part.stat().st_mtime + _CLOCK_SLACK)
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OSError, OverflowError):
        return False


def flush_folder(folder: Path) -> None:
    """Flush all files and subfolders of a folder to disk, so that a later rename never exposes missing content."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def compute_sha256(path: Path) -> str:
    """Return the sha256 of a file as hex digits; the file is read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that replaces `folder`, flushed to disk, if the block succeeds.

    Leftovers of killed processes are deleted first: a model takes gigabytes.
    """
    with make_scratch_folder(folder) as temp_folder:
        yield temp_folder
        flush_folder(temp_folder)
        shutil.rmtree(folder, ignore_errors=True)
        temp_folder.replace(folder)


@contextmanager
def make_scratch_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside a path, which is deleted at the end; leftovers of killed processes go first.

    Args:
        path: Gives the name of the folder; nothing needs to exist there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_parts(path)
    temp_folder = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(temp_folder, ignore_errors=True)  # in a container a killed process may have had the same pid
    temp_folder.mkdir()
    try:
        yield temp_folder
    finally:
        shutil.rmtree(temp_folder, ignore_errors=True)
