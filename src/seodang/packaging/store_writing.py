"""Write a version into a BentoML store as a whole: a killed build or a full disk never leaves a part of one there.

BentoML copies a model or bento into the store file by file, and removes the former version before. A folder without its
description, or an empty file `latest`, then makes BentoML fail for all versions of that name.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from seodang.io.atomic import flush_folder, make_scratch_folder, write_atomically
from seodang.io.folder_lock import hold_folder

Kind = Literal["models", "bentos"]

_DESCRIPTIONS: Final = {"models": "model.yaml", "bentos": "bento.yaml"}
_LATEST: Final = "latest"  # a file beside the versions, which names the newest one
_UNTOUCHED_SECONDS: Final = 3600.0
"""Age from which on no other program, such as `bentoml models pull`, is still writing a folder."""


@contextmanager
def write_version(stores: Path, kind: Kind, name: str, version: str) -> Iterator[Path]:
    """Yield an empty store; the version that the block writes there replaces that of the real store.

    If the block fails, the former version stays.

    Args:
        stores: Folder of all stores, BENTOML_HOME.
        kind: Of the store.
        name: Of the model or bento.
        version: That the block writes.
    """
    with make_scratch_folder(stores / f"{kind}-{name}-{version}") as scratch:
        (scratch / kind).mkdir()
        yield scratch / kind
        built, folder = scratch / kind / name / version, stores / kind / name
        flush_folder(built)
        folder.mkdir(parents=True, exist_ok=True)
        with hold_folder(folder):
            _delete_damaged(folder, _DESCRIPTIONS[kind])
            if (folder / version).is_dir():
                (folder / version).replace(scratch / "replaced")
            built.replace(folder / version)
            write_atomically(folder / _LATEST, [version])


def _delete_damaged(folder: Path, description: str) -> None:
    """Delete versions without their description, which earlier releases and BentoML itself leave after a kill."""
    oldest = time.time() - _UNTOUCHED_SECONDS
    for version in (path for path in folder.iterdir() if path.is_dir()):
        with suppress(OSError):
            if not (version / description).is_file() and version.stat().st_mtime < oldest:
                shutil.rmtree(version)
