"""What killed builds and a full disk leave in BentoML's stores, and how a build replaces a bento safely.

BentoML writes models and bentos into the store itself. A folder without its description, or an empty `latest`, makes
later calls fail for all versions of that name.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from seodang.i18n import _
from seodang.io.process_lock import hold_process_lock

logger = logging.getLogger(__name__)

_DESCRIPTIONS: Final = {"models": "model.yaml", "bentos": "bento.yaml"}
_LATEST: Final = "latest"  # a file beside the versions, which names the newest one
_LOCK: Final = ".seodang.lock"
_REPLACED: Final = ".replaced"


@contextmanager
def hold_store(store: Path, name: str) -> Iterator[None]:
    """Hold the stores while the block writes models or bentos of a name; first delete what killed builds left of it.

    Users and projects may share the stores, so another process may be writing there: this one waits for it.

    Args:
        store: Folder of the stores, BENTOML_HOME.
        name: Of the models and bentos.
    """
    with hold_process_lock(store / _LOCK, _report_waiting):
        for kind, description in _DESCRIPTIONS.items():
            _restore_replaced(store / kind / name, store / _REPLACED / kind / name)
            _delete_damaged(store / kind / name, description)
        yield


def _report_waiting(holder: str) -> None:
    print("seodang: " + _("another process writes to BentoML's store: {holder}", holder=holder), file=sys.stderr)


def _delete_damaged(folder: Path, description: str) -> None:
    for version in folder.glob("*/"):
        if not _has_text(version / description):
            shutil.rmtree(version, ignore_errors=True)
            logger.info(_("deleted what a killed build left: {folder}", folder=version))
    latest = folder / _LATEST
    if latest.is_file() and (not _has_text(latest) or not (folder / latest.read_text("utf-8").strip()).is_dir()):
        latest.unlink()  # BentoML writes it again
    with suppress(OSError):  # a name without versions: BentoML would look for them
        folder.rmdir()


def _has_text(file: Path) -> bool:
    try:
        return bool(file.read_text("utf-8", errors="replace").strip("\0 \n"))
    except OSError:
        return False


@contextmanager
def set_aside(store: Path, kind: str, name: str, version: str) -> Iterator[None]:
    """Move a stored version out of the way while the block builds it again; if the block fails, put it back.

    Args:
        store: Folder of the stores; the caller holds it.
        kind: "models" or "bentos".
        name: Of the model or bento.
        version: To be replaced; nothing happens if there is none.
    """
    stored, aside = store / kind / name / version, store / _REPLACED / kind / name / version
    if not stored.is_dir():
        yield
        return
    aside.parent.mkdir(parents=True, exist_ok=True)
    os.replace(stored, aside)
    try:
        yield
    except BaseException:
        _restore_replaced(stored.parent, aside.parent)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _restore_replaced(folder: Path, replaced: Path) -> None:
    """Put back the versions that a failed or killed build was replacing."""
    for aside in replaced.glob("*/"):
        shutil.rmtree(folder / aside.name, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        os.replace(aside, folder / aside.name)
