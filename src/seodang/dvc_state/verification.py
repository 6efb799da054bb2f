"""Compare the inputs of a stage with the checksums in dvc.lock.

DVC takes a file of its cache as it is: a flipped bit there goes into the next checkout, and `dvc status` sees no
difference. So a stage hashes what it reads of earlier stages. A file that was verified is read again only after its
size, time or number in the file system has changed.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seodang.config.yaml_file import read_yaml
from seodang.errors import ArtifactError
from seodang.i18n import _
from seodang.io.atomic import write_atomically
from seodang.paths import Paths

_DIRECTORY_SUFFIX: Final = ".dir"  # of the checksum of a folder, whose list of files is in the cache


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as DVC stored it."""

    path: Path
    md5: str
    stage: str
    """That wrote it."""


def verify_inputs(stage: str, paths: Paths, cache: Path) -> None:
    """Check that the artifacts that a stage reads are those that DVC stored.

    Args:
        stage: Of dvc.yaml.
        paths: Of the project.
        cache: Folder of DVC's cache.

    Raises:
        ArtifactError: If a file differs; the message has the command that makes it again.
    """
    note = paths.checksums / "verified.json"
    known = _read_note(note)
    verified = {}
    for stored in _list_inputs(stage, paths, cache):
        name = stored.path.relative_to(paths.root).as_posix()
        if not stored.path.is_file():  # DVC names a missing file
            continue
        state = [stored.md5, *_read_state(stored.path)]
        if known.get(name) != state and _compute_md5(stored.path) != stored.md5:
            raise ArtifactError(
                _(
                    "{file} is not what stage {stage} wrote: DVC's cache or the disk is damaged; make it again: rm -f"
                    " {object} && dvc repro --force --single-item {stage}",
                    file=name,
                    stage=stored.stage,
                    object=shlex.quote(str(_get_object(cache, stored.md5))),
                )
            )
        verified[name] = state
    if not verified.items() <= known.items():
        write_atomically(note, [json.dumps(known | verified)])


def _read_note(file: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _compute_md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _get_object(cache: Path, md5: str) -> Path:
    return cache / "files" / "md5" / md5[:2] / md5[2:]


def _list_inputs(stage: str, paths: Paths, cache: Path) -> Iterator[StoredFile]:
    """Yield the files that earlier stages wrote and a stage declares as dependencies."""
    lock = paths.root / "dvc.lock"
    stages: Mapping[str, Any] = (read_yaml(lock).get("stages") or {}) if lock.is_file() else {}
    declared = read_yaml(paths.dvc_yaml).get("stages", {}).get(stage, {}).get("deps", [])
    dependencies = [paths.root / (name if isinstance(name, str) else next(iter(name))) for name in declared]
    for producer, entry in stages.items():
        for out in entry.get("outs", []) if producer != stage else []:
            for stored in _list_files(paths.root / out["path"], str(out.get("md5", "")), producer, cache):
                if any(stored.path == each or each in stored.path.parents for each in dependencies):
                    yield stored


def _list_files(path: Path, md5: str, producer: str, cache: Path) -> Iterator[StoredFile]:
    if not md5.endswith(_DIRECTORY_SUFFIX):
        yield from [StoredFile(path, md5, producer)] if md5 else []
        return
    try:
        listing = json.loads(_get_object(cache, md5).read_text("utf-8"))
    except (OSError, ValueError):  # not in this cache: DVC fetches it where it needs it
        return
    yield from (StoredFile(path / file["relpath"], file["md5"], producer) for file in listing)
