"""Results of long stages, kept until DVC has stored them.

DVC deletes the outputs of a stage before it runs the stage. A run that is killed after the stage has ended, but before
DVC has written dvc.lock, would compute hours again. So the files of such a stage are linked into `.seodang/finished`.
The next run of the stage takes them from there if nothing that the stage depends on has changed since.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from seodang.config.yaml_file import read_yaml
from seodang.i18n import _
from seodang.io.atomic import replace_folder
from seodang.io.file_digests import compute_known_sha256
from seodang.paths import Paths

logger = logging.getLogger(__name__)

LONG_STAGES: Final = ("base", "train", "align", "evaluate")
_KEY: Final = "key.json"
_FILES: Final = "files"
_REPORT: Final = "report.json"  # each of these stages writes one


def keeps_result(stage: str) -> bool:
    """Return whether the result of a stage is kept: of a long one that DVC runs in one process.

    Who calls `seodang stage` without DVC wants the stage to run.
    """
    return stage in LONG_STAGES and "DVC_STAGE" in os.environ and os.environ.get("WORLD_SIZE", "1") == "1"


def compute_key(stage: str, parameters: dict[str, Any], paths: Paths) -> str:
    """Return a digest of what a stage depends on: its parameters, and the files that dvc.yaml declares.

    It is the same in another folder with the same content, such as the worktree of the next run of a flow.

    Args:
        stage: Of dvc.yaml.
        parameters: By name, as JSON values.
        paths: Of the project.
    """
    declared = read_yaml(paths.dvc_yaml).get("stages", {}).get(stage, {}).get("deps", [])
    names = [name if isinstance(name, str) else next(iter(name)) for name in declared]
    contents = [[file, _compute_digest(paths.root / file)] for file in sorted(_list_files(names, paths.root))]
    inputs = paths.inputs_lock.read_text("utf-8") if paths.inputs_lock.is_file() else ""
    text = json.dumps([stage, parameters, contents, inputs], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def restore_result(stage: str, key: str, paths: Paths) -> bool:
    """Restore the files of a stage that a killed run has finished; return whether there are such files.

    Args:
        stage: Its folder in `artifacts` receives the files.
        key: Of `compute_key`; a result with another key is not used.
        paths: Of the project.
    """
    kept = paths.finished / stage
    try:
        kept_key = json.loads((kept / _KEY).read_text("utf-8"))["key"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False
    if kept_key != key:
        return False
    _link_files(kept / _FILES, paths.get_stage_folder(stage))
    logger.info(
        _(
            "stage {stage} was finished by a run that ended before DVC stored the result; the result is restored",
            stage=stage,
        )
    )
    return True


def keep_result(stage: str, key: str, paths: Paths) -> None:
    """Keep the files of a stage that has just ended, as links where the file system allows it.

    The stage has succeeded, so a full disk here does not fail it.
    """
    with suppress(OSError), replace_folder(paths.finished / stage) as folder:
        _link_files(paths.get_stage_folder(stage), folder / _FILES)
        (folder / _KEY).write_text(json.dumps({"key": key}) + "\n", "utf-8")


def discard_stored_results(paths: Paths) -> None:
    """Delete the kept results that DVC has stored: dvc.lock names the checksum of their report."""
    lock = paths.root / "dvc.lock"
    text = lock.read_text("utf-8", errors="replace") if lock.is_file() else ""
    for stage in LONG_STAGES:
        report = paths.finished / stage / _FILES / _REPORT
        if report.is_file() and hashlib.md5(report.read_bytes(), usedforsecurity=False).hexdigest() in text:
            shutil.rmtree(paths.finished / stage)


def _link_files(source: Path, target: Path) -> None:
    for file in sorted(file for file in source.rglob("*") if file.is_file() and not file.name.endswith(".part")):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        try:
            os.link(file, copy)
        except OSError:  # a file system without hard links, or another disk
            shutil.copy2(file, copy)


def _list_files(names: Iterable[str], root: Path) -> Iterator[str]:
    for name in names:
        path = root / name
        if path.is_dir():
            found = (Path(folder, file) for folder, _folders, files in os.walk(path) for file in files)
            yield from (str(file.relative_to(root)) for file in found if "__pycache__" not in file.parts)
        else:
            yield name


def _compute_digest(path: Path) -> str:
    try:
        return compute_known_sha256(path)
    except OSError:
        return ""
