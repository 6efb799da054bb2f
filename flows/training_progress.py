"""Show the progress of a long command as an artifact, from the file that it writes: training, data from a teacher."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from seodang.errors import ArtifactError
from seodang.i18n import _
from seodang.io.jsonl import read_json

_POLL_SECONDS: Final = 2.0
KEY: Final = "training-progress"
ALIGNMENT_KEY: Final = "preference-tuning-progress"


@contextmanager
def show_progress(file: Path, key: str = KEY) -> Iterator[None]:
    """Keep a progress artifact of the current flow run up to date while the block runs.

    Args:
        file: Written by the command: step, steps and, unless it trains, a text.
        key: Of the artifact.
    """
    file.unlink(missing_ok=True)
    is_over = threading.Event()
    # The context says which flow run the artifact belongs to.
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):  # so that the end does not wait for an absent server
        context = copy_context()
    watcher = threading.Thread(target=context.run, args=(_watch, file, key, is_over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _watch(file: Path, key: str, is_over: threading.Event) -> None:
    artifact: UUID | None = None
    shown: Any = None
    while True:
        last = is_over.wait(_POLL_SECONDS)
        # Without a server, training goes on; a later look publishes.
        with suppress(ArtifactError, OSError, LookupError, ArithmeticError, TypeError, httpx.HTTPError):
            progress = read_json(file)
            if progress != shown:
                artifact, shown = _publish(artifact, key, progress), progress
        if last:
            return


def _publish(artifact: UUID | None, key: str, progress: dict[str, Any]) -> UUID | None:
    percent = 100.0 * progress["step"] / progress["steps"]
    text = progress.get("text") or _format_steps(key, progress["step"], progress["steps"])
    if artifact is None:
        created = create_progress_artifact(percent, key=key, description=text)
        return created if isinstance(created, UUID) else None
    update_progress_artifact(artifact, percent, description=text)
    return artifact


def _format_steps(key: str, step: int, steps: int) -> str:
    if key == ALIGNMENT_KEY:
        return _("preference tuning: step {step} of {steps}", step=step, steps=steps)
    return _("training: step {step} of {steps}", step=step, steps=steps)
